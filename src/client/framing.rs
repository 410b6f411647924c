//! What a voice needs of the transport that carries it.
//!
//! In: messages and endings. Out: bytes for the wire. Transports implement it; it knows none of them.

use bytes::Bytes;
use turted_core::Ending;

/// How a transport wraps what a conversation says.
pub trait Framing: Sync {
    /// A text message as bytes for the wire.
    fn message(&self, text: &[u8]) -> Bytes;
    /// A message that is not text, if the transport can carry one.
    fn binary(&self, _data: &[u8]) -> Option<Bytes> {
        None
    }
    /// What goes out now and then while nothing else does, if anything: a question for a sign of life, or a comment for
    /// proxies.
    fn ping(&self) -> Option<Bytes>;
    /// The message in a frame of an event, where the transport can find it again.
    fn inside<'a>(&self, _frame: &'a [u8]) -> Option<&'a [u8]> {
        None
    }
    /// The transport's own goodbye, if it has one.
    fn close(&self, ending: Ending) -> Option<Bytes>;
    /// Whether a frame that waits for a wire is of use to the next one, for connections that outlive theirs. The
    /// default: every frame is.
    fn keeps(&self, _frame: &[u8]) -> bool {
        true
    }
}
