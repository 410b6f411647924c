//! What a program that embeds the server can offer to its clients: any protocol over any carrier, with
//! [`Builder::offer`](crate::Builder::offer).
//!
//! A protocol is whatever implements [`Protocol`](turted_core::Protocol); `tests/conformance` has small ones.

pub use crate::carriers::engineio::{EngineIo, EngineIoOptions};
pub use crate::carriers::sockjs::{SockJs, SockJsOptions};
pub use crate::carriers::{Mounts, Offer, Routes};
pub use crate::dialects::native::polls::Polls;
pub use crate::dialects::native::socket::Socket;
pub use crate::dialects::native::stream::Stream;
pub use crate::dialects::php::door::Php;
pub use crate::dialects::socketio::{Application, Call, Link, SocketIo, Terms, Version};
