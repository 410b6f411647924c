//! The one way to turn a message of a source into dispatches, shared by every connector.
//!
//! In: the key `envelope` of a section, and messages. Out: dispatches, or a refusal that says what is wrong.
//! `envelope = "turted"` reads the body as a push ([`envelope`](crate::envelope)). A table is a **mapping**:
//!
//! ```toml
//! [connectors.orders.envelope]
//! event = "ORDER:{routing_key.1}"                         # required
//! users = ["{json.customer}", "{header.x-user|}"]         # a string or a list
//! channels = "orders"
//! broadcast = false                                       # true, false, or a text that becomes one of them
//! payload = { order = "{json.id}", from = "{exchange}" }  # default "{json}", the whole body
//! id = "{json.id}"                                        # idempotency key; default the message's own id
//! ```
//!
//! * `{name}` is what the source offers under that name ([`Vocabulary`]); `{body}` is the body as text, `{json}` the
//!   body as JSON, `{json.user.id}` a member of it, `{json.list.0}` an element. `{{` and `}}` are braces.
//! * `{name|default}` gives the default when the message lacks the name, `{name|}` an empty text. JSON `null` is a
//!   lack.
//! * What a message lacks, without a default, refuses it; only `id` and the members of an object in `payload` are left
//!   out instead.
//! * A user or channel that comes out empty is left out; a text that is one `{json…}` which holds a list gives one for
//!   each element. Nobody left to tell is a refusal.
//! * In `payload` a text that is one `{json…}` keeps its JSON byte for byte, and so does one that is a single name
//!   whose text is JSON; other texts become strings; numbers, booleans, lists and tables stand for themselves.
//!
//! It knows no source by name, and does no I/O.

mod config;
mod opened;
mod payload;
mod recipe;
mod template;
mod vocabulary;

use std::borrow::Cow;

pub use config::{Envelope, Mapping, Names, Switch};
pub use recipe::{Recipe, own_key};
pub use template::Template;
pub use vocabulary::Vocabulary;

/// One message as a source offers it.
pub trait Message: Sync {
    /// Its body.
    fn body(&self) -> &[u8];

    /// What it has under a name of the source's [`Vocabulary`], `None` when it lacks it.
    fn field(&self, name: &str) -> Option<Cow<'_, str>>;

    /// What tells a redelivery from a new message, if the source knows; unique within the connector.
    fn id(&self) -> Option<Cow<'_, str>> {
        None
    }
}
