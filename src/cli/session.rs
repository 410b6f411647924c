//! What a listener says to the server and makes of the answers.
//!
//! In: texts of the native protocol, from one wire after the other. Out: steps for whoever holds the wire: say this,
//! print that event, tell the person, stop. It keeps what a new wire needs to go on where the old one broke. Refuses to
//! know sockets, clocks and what a line looks like.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use turted_core::Ending;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this text.
    Say(String),
    /// Print this event, the data of a native EVENT.
    Event(String),
    /// Tell the person at the terminal.
    Tell(String),
    /// The server pings this often.
    Pings(Duration),
    /// The server closes for this reason; come back, or do not.
    Bye {
        /// In a few words.
        reason: String,
        /// Whether to come back.
        reconnect: bool,
    },
    /// The server refuses what this listener is for.
    Fail(String),
}

/// One listener, over all its wires.
#[derive(Debug, Default)]
pub struct Session {
    ident: Option<Value>,
    channels: Vec<String>,
    resume: Option<String>,
    last: Option<String>,
}

#[derive(Deserialize)]
struct Words<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(rename = "ref")]
    tag: Option<Value>,
}

impl Session {
    /// A listener that identifies itself with these data, if any, and joins these channels.
    pub fn new(ident: Option<Value>, channels: Vec<String>) -> Self {
        Self {
            ident,
            channels,
            ..Self::default()
        }
    }

    /// What to do about a message of the server. What is unknown is passed over: newer servers say more.
    pub fn receive(&mut self, text: &str) -> Vec<Step> {
        let Ok(Words { kind, data, tag }) = serde_json::from_str(text) else {
            return vec![Step::Tell(
                "the server said something that is not of the native protocol".to_owned(),
            )];
        };
        let raw = data.map_or("null", RawValue::get);
        if kind == "EVENT" {
            return self.event(raw);
        }
        let data: Value = serde_json::from_str(raw).unwrap_or_default();
        let tag = tag.as_ref().and_then(Value::as_str).unwrap_or_default();
        match &*kind {
            "WELCOME" => self.welcome(&data),
            "OK" => self.granted(tag, &data),
            "ERROR" => self.refused(tag, word(&data, "message")),
            "GAP" => vec![Step::Tell(match data.get("since").and_then(Value::as_str) {
                Some(since) => format!("events after {since} may be missing"),
                None => "events may be missing".to_owned(),
            })],
            "BYE" => vec![Step::Bye {
                reason: format!(
                    "{} ({})",
                    word(&data, "reason"),
                    data.get("code").unwrap_or(&Value::Null)
                ),
                reconnect: data.get("reconnect").and_then(Value::as_bool).unwrap_or(true),
            }],
            "LEFT" => vec![Step::Tell(format!(
                "the server has taken this listener out of {}: {}",
                word(&data, "channel"),
                word(&data, "reason")
            ))],
            "EXPIRING" => vec![Step::Tell(format!(
                "who this listener is holds for {} s more; begin it again with a new token",
                data.get("in").unwrap_or(&Value::Null)
            ))],
            _ => Vec::new(),
        }
    }

    fn event(&mut self, data: &str) -> Vec<Step> {
        #[derive(Deserialize)]
        struct Id {
            id: String,
        }
        if let Ok(Id { id }) = serde_json::from_str(data) {
            self.last = Some(id);
        }
        vec![Step::Event(data.to_owned())]
    }

    /// A wire begins: go on where the last one broke, or begin.
    fn welcome(&mut self, data: &Value) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(seconds) = data.get("ping").and_then(Value::as_u64) {
            steps.push(Step::Pings(Duration::from_secs(seconds)));
        }
        let fresh = data.get("resume").and_then(Value::as_str).map(str::to_owned);
        match std::mem::replace(&mut self.resume, fresh) {
            Some(token) => {
                let data = json!({"token": token, "last": self.last});
                steps.push(Step::Say(
                    json!({"type": "RESUME", "data": data, "ref": "resume"}).to_string(),
                ));
            }
            None => {
                steps.push(Step::Tell(format!("connected as {}", word(data, "connection"))));
                steps.extend(self.introduce());
            }
        }
        steps
    }

    /// Who this is and what it wants to hear.
    fn introduce(&self) -> Vec<Step> {
        let ident = self
            .ident
            .iter()
            .map(|data| json!({"type": "IDENT", "data": data, "ref": "ident"}));
        let join = |(at, channel): (usize, &String)| json!({"type": "JOIN", "data": {"channel": channel}, "ref": format!("join {at}")});
        let joins = self.channels.iter().enumerate().map(join);
        ident
            .chain(joins)
            .map(|message| Step::Say(message.to_string()))
            .collect()
    }

    fn granted(&mut self, tag: &str, data: &Value) -> Vec<Step> {
        match (tag, data.get("recovered").and_then(Value::as_bool)) {
            ("ident", _) => vec![Step::Tell(format!("known as {}", word(data, "username")))],
            ("resume", Some(true)) => {
                let replayed = data.get("replayed").and_then(Value::as_u64).unwrap_or(0);
                vec![Step::Tell(format!(
                    "connected again and caught up: {replayed} missed events, nothing is lost"
                ))]
            }
            ("resume", _) => self.begin_anew(),
            _ => match data.get("channel").and_then(Value::as_str) {
                Some(channel) => vec![Step::Tell(format!("joined {channel}"))],
                None => Vec::new(),
            },
        }
    }

    fn refused(&mut self, tag: &str, message: &str) -> Vec<Step> {
        let channel = tag
            .strip_prefix("join ")
            .and_then(|at| self.channels.get(at.parse::<usize>().ok()?));
        match (tag, channel) {
            ("ident", _) => vec![Step::Fail(format!("the server refuses this user: {message}"))],
            ("resume", _) => self.begin_anew(),
            (_, Some(channel)) => vec![Step::Fail(format!(
                "the server refuses the channel {channel}: {message}"
            ))],
            _ => vec![Step::Tell(format!("the server complains: {message}"))],
        }
    }

    /// The server has forgotten this listener, or only its events. Asking for what one has already does no harm.
    fn begin_anew(&mut self) -> Vec<Step> {
        self.last = None;
        let mut steps = vec![Step::Tell(
            "connected again, but not everything could be recovered".to_owned(),
        )];
        steps.extend(self.introduce());
        steps
    }
}

/// Whether to come back after a close frame with this code, when no BYE has said so.
pub fn reconnect_after(code: Option<u16>) -> bool {
    let mut known = Ending::ALL
        .iter()
        .filter(|ending| Some(ending.code()) == code)
        .peekable();
    known.peek().is_none() || known.any(|ending| ending.reconnect())
}

/// A text member, or nothing.
fn word<'a>(data: &'a Value, name: &str) -> &'a str {
    data.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELCOME: &str = r#"{"type":"WELCOME","data":{"connection":"c7Jt","resume":"first","window":120,"ping":25}}"#;
    const AGAIN: &str = r#"{"type":"WELCOME","data":{"connection":"c8","resume":"second","window":120,"ping":25}}"#;
    const EVENT: &str =
        r#"{"event":"E","payload":{"b":1.0,"a":12345678901234567890123},"via":{"channel":"chat"},"id":"k-42"}"#;

    fn session() -> Session {
        Session::new(
            Some(json!({"username": "adam", "token": "t"})),
            vec!["chat".into(), "news".into()],
        )
    }

    fn said(steps: &[Step]) -> Vec<Value> {
        let said = steps.iter().filter_map(|step| match step {
            Step::Say(text) => serde_json::from_str(text).ok(),
            _ => None,
        });
        said.collect()
    }

    fn introduction() -> [Value; 3] {
        [
            json!({"type": "IDENT", "data": {"username": "adam", "token": "t"}, "ref": "ident"}),
            json!({"type": "JOIN", "data": {"channel": "chat"}, "ref": "join 0"}),
            json!({"type": "JOIN", "data": {"channel": "news"}, "ref": "join 1"}),
        ]
    }

    #[test]
    fn a_first_wire_begins_with_who_this_is() {
        let steps = session().receive(WELCOME);
        assert_eq!(said(&steps), introduction());
        assert!(steps.contains(&Step::Pings(Duration::from_secs(25))));
        assert!(!format!("{steps:?}").contains("first"), "the secret is not said");
    }

    #[test]
    fn a_later_wire_goes_on_where_the_last_one_broke() {
        let mut session = session();
        session.receive(WELCOME);
        let event = format!(r#"{{"type":"EVENT","data":{EVENT}}}"#);
        assert_eq!(
            session.receive(&event),
            [Step::Event(EVENT.to_owned())],
            "byte for byte"
        );
        let resume = json!({"type": "RESUME", "data": {"token": "first", "last": "k-42"}, "ref": "resume"});
        assert_eq!(said(&session.receive(AGAIN)), [resume]);
        let ok = r#"{"type":"OK","data":{"connection":"c7Jt","recovered":true,"replayed":3},"ref":"resume"}"#;
        assert!(matches!(&session.receive(ok)[..], [Step::Tell(text)] if text.contains("3 missed events")));
        assert_eq!(
            said(&session.receive(WELCOME))[0]["data"]["token"],
            "second",
            "the newest secret is used"
        );
    }

    #[test]
    fn a_server_that_has_forgotten_is_told_everything_again() {
        for answer in [
            r#"{"type":"OK","data":{"connection":"c8","recovered":false,"replayed":0},"ref":"resume"}"#,
            r#"{"type":"ERROR","data":{"code":"bad_message","message":"no"},"ref":"resume"}"#,
        ] {
            let mut session = session();
            session.receive(WELCOME);
            session.last = Some("old-1".into());
            session.receive(AGAIN);
            assert_eq!(said(&session.receive(answer)), introduction());
            assert_eq!(
                said(&session.receive(WELCOME))[0]["data"]["last"],
                Value::Null,
                "old ids mean nothing"
            );
        }
    }

    #[test]
    fn a_refusal_of_what_it_is_for_ends_it() {
        let refusal = |tag: &str| {
            let text = json!({"type": "ERROR", "data": {"code": "c", "message": "no"}, "ref": tag}).to_string();
            session().receive(&text)
        };
        assert_eq!(
            refusal("ident"),
            [Step::Fail("the server refuses this user: no".into())]
        );
        assert_eq!(
            refusal("join 1"),
            [Step::Fail("the server refuses the channel news: no".into())]
        );
        assert_eq!(refusal("join 9"), [Step::Tell("the server complains: no".into())]);
    }

    #[test]
    fn a_bye_says_whether_to_come_back() {
        let bye = |data: Value| session().receive(&json!({"type": "BYE", "data": data}).to_string());
        let reason = "replaced (4011)".to_owned();
        assert_eq!(
            bye(json!({"code": 4011, "reason": "replaced", "reconnect": false})),
            [Step::Bye {
                reason,
                reconnect: false
            }]
        );
        assert!(
            [None, Some(1001), Some(1006), Some(1011), Some(4008), Some(4999)]
                .into_iter()
                .all(reconnect_after)
        );
        assert!(
            [1000, 1008, 4000, 4011]
                .into_iter()
                .all(|code| !reconnect_after(Some(code)))
        );
    }

    #[test]
    fn what_ends_its_listening_is_told() {
        let told = |text: &str| match &session().receive(text)[..] {
            [Step::Tell(words)] => words.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            told(r#"{"type":"LEFT","data":{"channel":"chat","reason":"denied"}}"#),
            "the server has taken this listener out of chat: denied"
        );
        assert!(told(r#"{"type":"EXPIRING","data":{"in":30}}"#).contains("for 30 s more"));
    }

    #[test]
    fn what_is_unknown_is_passed_over() {
        assert_eq!(session().receive(r#"{"type":"NEWS","data":[1]}"#), []);
        assert!(matches!(session().receive("[]")[..], [Step::Tell(_)]));
    }
}
