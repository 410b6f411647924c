//! The words and contracts of turted.
//!
//! In: what backends and clients say, as bytes. Out: checked names, payloads and dispatches, and the
//! traits through which connectors, authenticators, encoders and observers meet the server.
//! This crate knows neither actix nor sockets nor files: everything here can be tested without a runtime.

pub mod auth;
pub mod backoff;
pub mod call;
pub mod client;
pub mod connector;
pub mod dialect;
pub mod dispatch;
pub mod encode;
pub mod ending;
pub mod endpoint;
pub mod envelope;
pub mod facets;
pub mod inbox;
pub mod json;
pub mod ledger;
pub mod limits;
pub mod lines;
pub mod mapping;
pub mod may;
pub mod name;
pub mod observe;
pub mod occupancy;
pub mod relay;
pub mod report;
pub mod scope;
pub mod seldom;
pub mod shutdown;
pub mod subscription;
pub mod target;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod ticket;
pub mod units;

pub use auth::{Adviser, Authenticator, Brought, Denial, Identity, Refusal, Visitor, Wants};
pub use backoff::Backoff;
pub use call::{Call, Caller, Failure, Line, Named, Responder, Responders, Told};
pub use client::{Arrival, Intent, Notice, Presented, Publication, Rejection, Tag, Welcome};
pub use connector::{Claim, ConnectorConfig, ConnectorContext, ConnectorError, Outcome, PushConnector, SettingError};
pub use dialect::{Conversation, Protocol, Reaction};
pub use dispatch::{Dispatch, DispatchId, Epoch, Exclude, Receipt, Sender};
pub use encode::{Delivery, EncodeEvent};
pub use ending::Ending;
pub use endpoint::{Door, Endpoint};
pub use inbox::{Inbox, Intake, PushError};
pub use json::{JsonError, Payload};
pub use limits::Limits;
pub use mapping::{Envelope, Message, Recipe, Vocabulary};
pub use name::{ChannelName, EventName, NameError, UserName};
pub use observe::{Note, Observer, Refusals};
pub use occupancy::Occupancy;
pub use relay::{Relay, Relays};
pub use report::{ConnectorState, Report};
pub use scope::{Api, Scope};
pub use seldom::Seldom;
pub use shutdown::Shutdown;
pub use subscription::{ChannelPattern, Depth, Subscription};
pub use target::Target;
pub use ticket::{Tickets, Worth};
