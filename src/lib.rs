//! turted: one server through which any backend can tell users, channels or everybody that something happened, and
//! through which any client hears it once, in order.
//!
//! Flow: backend → connector → Dispatcher → client → dialect → carrier → wire; observers watch. `ARCHITECTURE.md` has
//! the map. To embed the server, begin at [`Server::builder`]; the words and contracts that it shares with connectors
//! and dialects are those of [`turted_core`].

mod auth;
mod carriers;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod client;
pub mod config;
mod dialects;
mod dispatcher;
mod engine;
mod engines;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod http;
mod observe;
pub mod offer;
mod outbound;
mod pages;
mod registry;
mod responders;
mod server;
mod supervisor;

pub use engine::LinkState;
pub use observe::{Bus, Dispatched, Subscription};
pub use server::{Builder, Running, ServeError, Server, WayIn};
pub use turted_core;
