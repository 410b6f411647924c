//! The handlers of the Socket.IO suite: the namespaces `/` and `/custom`.
//!
//! In: events of one client. Out: `auth` with what it brought along, `message-back`, and acknowledgements.

use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;
use turted::offer::{Application, Call, Link, Terms};
use turted_core::{Delivery, Intent, Notice, Rejection, Tag, Welcome};

/// One client.
pub struct Suite {
    connection: String,
    joined: usize,
}

impl Suite {
    /// A client that has just come.
    pub fn new(_: Terms) -> Self {
        Self {
            connection: String::new(),
            joined: 0,
        }
    }
}

impl Application for Suite {
    fn welcome(&mut self, welcome: &Welcome) {
        self.connection = welcome.connection.to_string();
    }

    fn connect(&mut self, namespace: &str, auth: Option<&RawValue>, link: &mut Link<'_>) -> Result<(), &'static str> {
        if !["/", "/custom"].contains(&namespace) {
            return Err("Invalid namespace");
        }
        self.joined += 1;
        let sid = format!("{}-{}", self.connection, self.joined);
        link.connected(namespace, &json!({ "sid": sid }).to_string());
        let auth = auth.map_or("{}", RawValue::get);
        link.emit(namespace, &format!(r#"["auth",{auth}]"#), &[]);
        link.want(Intent::Ready, None);
        Ok(())
    }

    fn event(&mut self, call: &Call<'_>, link: &mut Link<'_>) {
        match (call.name, call.ack) {
            ("message", _) => {
                let back = format!(r#"["message-back",{}]"#, call.arguments);
                link.emit(call.namespace, &back, call.attachments);
            }
            ("message-with-ack", Some(ack)) => {
                let arguments = format!("[{}]", call.arguments);
                link.acknowledge(call.namespace, ack, &arguments, call.attachments);
            }
            _ => {}
        }
    }

    fn disconnect(&mut self, _: &str, _: &mut Link<'_>) {}

    fn refuse(&mut self, _: &Rejection, _: &mut Link<'_>) {}

    fn notify(&mut self, _: &Notice, _: &Tag, _: &mut Link<'_>) {}

    fn encode_event(_: &Terms, delivery: &Delivery<'_>) -> Bytes {
        [br#"2["message","#, delivery.payload.as_bytes(), b"]"].concat().into()
    }
}
