//! The centre: who is connected, which user, which channels; one dispatch at a time.
//!
//! In: requests of connections and dispatches of connectors, one after the other. Out: parcels for the couriers, notes
//! for the observers. [`desk::Desk`] is the whole logic as a plain struct; [`actor`] only carries messages to it.
//! Nothing here knows how a frame is written or what a socket is.

pub mod actor;
pub mod census;
pub mod desk;
mod ids;
pub mod keys;
pub mod life;
pub mod log;
pub mod membership;
pub mod messages;
mod needs;
pub mod parked;
mod patterns;
mod places;
mod portions;
pub mod queued;
pub mod revoked;
pub mod standing;

pub use actor::{Dispatcher, DispatcherInbox};
pub use census::Census;
pub use desk::{Desk, DeskSettings};
pub use messages::{
    Applied, Apply, Ask, Carry, Enlist, LaneKey, Open, Parcel, Pending, Permit, Question, Recall, Request, SeatKey,
    Step, Vouched,
};
pub use queued::Queued;
