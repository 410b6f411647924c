//! What flows in: the table `[clients]`. What flows out: the path of everything that clients may speak, with every default beside its field; an
//! empty path turns it off. Refuses to know: how any of it is spoken.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[clients]`: what is spoken where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clients {
    /// The WebSocket of the native protocol. Default `/ws`.
    pub websocket: String,
    /// Server-sent events, with a path below it for each connection. Default `/events`.
    pub events: String,
    /// Long-polling, with a path below it for each connection. Default `/poll`.
    pub polls: String,
    /// Socket.IO 1 to 4 with the words of TURTED 3 and 4. Default `/socket.io`.
    pub socketio: String,
    /// Whether Socket.IO clients that come back are told what they missed ("connection state recovery"). Default true.
    pub socketio_recovery: bool,
    /// The folder whose `socket.io.js` and variants are served below its path: `dist` of the npm package socket.io-client. Default none.
    pub socketio_client: Option<PathBuf>,
    /// SockJS with the dialect of TURTED 1 and 2. Default `/turted`.
    pub sockjs: String,
    /// SockJS with the native protocol. Default `/sockjs`.
    pub sockjs_native: String,
    /// Where the iframes of SockJS find its browser client: the same version as in the page. Default `/sockjs.min.js`.
    pub sockjs_client: String,
    /// Server-sent events as the PHP server of TURTED sends them. Default `/sse`.
    pub php_events: String,
}

impl Default for Clients {
    fn default() -> Self {
        Clients {
            websocket: "/ws".to_owned(),
            events: "/events".to_owned(),
            polls: "/poll".to_owned(),
            socketio: "/socket.io".to_owned(),
            socketio_recovery: true,
            socketio_client: None,
            sockjs: "/turted".to_owned(),
            sockjs_native: "/sockjs".to_owned(),
            sockjs_client: "/sockjs.min.js".to_owned(),
            php_events: "/sse".to_owned(),
        }
    }
}

impl Clients {
    /// Every path with its key.
    #[must_use]
    pub fn paths(&self) -> [(&'static str, &str); 7] {
        [
            ("clients.websocket", &self.websocket),
            ("clients.events", &self.events),
            ("clients.polls", &self.polls),
            ("clients.socketio", &self.socketio),
            ("clients.sockjs", &self.sockjs),
            ("clients.sockjs_native", &self.sockjs_native),
            ("clients.php_events", &self.php_events),
        ]
    }
}
