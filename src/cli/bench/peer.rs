//! How each kind of server wants to be subscribed to and pushed to.
//!
//! In: the server's base path and the channel. Out: paths, bodies and the words of the opening conversation, as plain
//! values. It opens no sockets and keeps no time.

/// The kind of server under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Contender {
    /// turted's native protocol: `GET /ws`, `JOIN`, `POST /push/`.
    Turted,
    /// nginx with Nchan: `GET /sub?id=CHANNEL` and `POST /pub?id=CHANNEL`.
    Nchan,
    /// TURTED 4 over Socket.IO 4: `GET /socket.io/`, `JOIN`, `POST /push/`.
    Socketio,
    /// turted's native protocol inside SockJS: `GET /sockjs/000/ID/websocket`.
    Sockjs,
    /// Bayeux over a WebSocket: a handshake, `/meta/subscribe`, and a connect that is held.
    Bayeux,
}

/// What stands in a text for the session's id, which is in the last message that was heard.
pub const CLIENT: &str = "CLIENT";

/// One step of the conversation that makes a fresh WebSocket a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this text.
    Say(String),
    /// Read on until a message contains `wanted`; give up when one contains `refusal`.
    Hear {
        /// What the awaited answer contains.
        wanted: &'static str,
        /// What a refusal contains.
        refusal: &'static str,
    },
}

impl Contender {
    /// The name used in `--peer` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Turted => "turted",
            Contender::Nchan => "nchan",
            Contender::Socketio => "socketio",
            Contender::Sockjs => "sockjs",
            Contender::Bayeux => "bayeux",
        }
    }

    /// Path and query of the WebSocket.
    pub fn subscribe_path(self, channel: &str) -> String {
        match self {
            Contender::Turted => "/ws".to_owned(),
            Contender::Nchan => format!("/sub?id={channel}"),
            Contender::Socketio => "/socket.io/?EIO=4&transport=websocket".to_owned(),
            Contender::Sockjs => format!("/sockjs/000/{:016x}/websocket", fastrand::u64(..)),
            Contender::Bayeux => "/bayeux".to_owned(),
        }
    }

    /// The conversation between the WebSocket handshake and being subscribed.
    pub fn opening(self, channel: &str) -> Vec<Step> {
        let hear = |wanted, refusal| Step::Hear { wanted, refusal };
        match self {
            Contender::Turted => {
                let refusal = r#""type":"ERROR""#;
                vec![
                    hear(r#""type":"WELCOME""#, refusal),
                    Step::Say(format!(r#"{{"type":"JOIN","data":{{"channel":"{channel}"}},"ref":1}}"#)),
                    hear(r#""type":"OK""#, refusal),
                ]
            }
            Contender::Sockjs => {
                let refusal = r#"\"type\":\"ERROR\""#;
                vec![
                    hear(r#"\"type\":\"WELCOME\""#, refusal),
                    Step::Say(format!(
                        r#"["{{\"type\":\"JOIN\",\"data\":{{\"channel\":\"{channel}\"}},\"ref\":1}}"]"#
                    )),
                    hear(r#"\"type\":\"OK\""#, refusal),
                ]
            }
            Contender::Bayeux => {
                let refusal = r#""successful":false"#;
                let connect = |advice: &str| {
                    format!(
                        r#"{{"channel":"/meta/connect","clientId":"{CLIENT}","connectionType":"websocket","id":"c"{advice}}}"#
                    )
                };
                let first = connect(r#","advice":{"timeout":0}"#);
                vec![
                    Step::Say(r#"[{"channel":"/meta/handshake","version":"1.0","id":"h"}]"#.to_owned()),
                    hear(r#""clientId""#, refusal),
                    Step::Say(format!(
                        r#"[{first},{{"channel":"/meta/subscribe","clientId":"{CLIENT}","subscription":"/{channel}","id":"s"}},{}]"#,
                        connect("")
                    )),
                    hear("/meta/subscribe", refusal),
                ]
            }
            Contender::Nchan => Vec::new(),
            Contender::Socketio => vec![
                hear("0{", r#"42["ERROR""#),
                Step::Say("40".to_owned()),
                hear("40{", "44{"),
                Step::Say(format!(r#"42["JOIN",{{"channel":"{channel}"}}]"#)),
                hear(r#"42["OK""#, r#"42["ERROR""#),
            ],
        }
    }

    /// The answer to a sign-of-life question that travels as a text message.
    pub fn answer(self, message: &str) -> Option<&'static str> {
        (self == Contender::Socketio && message == "2").then_some("3")
    }

    /// Path and query of a push.
    pub fn publish_path(self, channel: &str) -> String {
        match self {
            Contender::Turted | Contender::Socketio | Contender::Sockjs | Contender::Bayeux => "/push/".to_owned(),
            Contender::Nchan => format!("/pub?id={channel}"),
        }
    }

    /// The body of a push that carries `payload` (JSON) to `channel`.
    pub fn publish_body(self, channel: &str, payload: &str) -> String {
        match self {
            Contender::Turted | Contender::Socketio | Contender::Sockjs | Contender::Bayeux => {
                format!(r#"{{"event":"BENCH","targets":{{"channels":["{channel}"]}},"payload":{payload}}}"#)
            }
            Contender::Nchan => payload.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn pushes_are_json_that_names_the_channel() {
        for peer in [Contender::Turted, Contender::Socketio, Contender::Sockjs] {
            let body: Value = serde_json::from_str(&peer.publish_body("chat", r#"{"a":1}"#)).unwrap();
            assert_eq!(body["targets"]["channels"][0], "chat");
            assert_eq!(body["payload"]["a"], 1);
        }
        assert_eq!(Contender::Nchan.publish_body("chat", "{}"), "{}");
    }

    #[test]
    fn only_socketio_asks_for_life_signs_in_text() {
        assert_eq!(Contender::Socketio.answer("2"), Some("3"));
        assert_eq!(Contender::Socketio.answer("42"), None);
        assert_eq!(Contender::Turted.answer("2"), None);
        assert_eq!(Contender::Sockjs.answer("2"), None);
    }
}
