//! Answers, as clients read them.
//!
//! In: what a message was, and what came of it. Out: JSON. Every client finds what it asks for: the id as it was
//! written, `successful`, `subscription` as it was written, and never `data`.

use std::fmt::Write as _;

use serde_json::json;
use turted_core::may::Verb;
use turted_core::{Ending, Rejection};

use super::message::BayeuxMessage;

/// Who it is for was never here, or is no more.
pub const UNKNOWN: &str = "402::Unknown client";
/// Begin anew.
pub const HANDSHAKE: &str = r#"{"reconnect":"handshake","interval":0}"#;
/// Stay away.
pub const NONE: &str = r#"{"reconnect":"none"}"#;

/// What a client's clock said, and when that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Its time.
    pub tc: i64,
    /// What it takes for the time that messages need.
    pub lag: i64,
    /// What it takes for the difference of the clocks.
    pub offset: i64,
    /// When it was heard, in our time.
    pub received: i64,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The channel of the message.
    pub channel: String,
    /// Its id, as it was written.
    pub id: Option<String>,
    /// Members that this kind of answer has, each with a comma in front.
    pub more: String,
    /// Why not.
    pub error: Option<String>,
    /// What to do next.
    pub advice: Option<String>,
    /// The number of the batch of events that goes with it; 0 where acknowledgements are only agreed upon.
    pub ack: Option<u64>,
    /// What its clock said.
    pub tick: Option<Tick>,
}

impl Reply {
    /// A yes to this message, which came at this time.
    #[must_use]
    pub fn to(message: &BayeuxMessage<'_>, channel: &str, now: i64) -> Self {
        let is_meta = channel.starts_with("/meta/");
        let tick = message.ext().tick().filter(|_| is_meta);
        Self {
            channel: channel.to_owned(),
            id: message.id().map(str::to_owned),
            tick: tick.map(|tick| Tick { received: now, ..tick }),
            ..Self::default()
        }
    }

    /// A no.
    #[must_use]
    pub fn failed(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// With this advice.
    #[must_use]
    pub fn advised(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The answer to whoever is not known. Only a connect says what to do about it: other messages do not act on it.
    #[must_use]
    pub fn unknown(self) -> Self {
        let is_connect = self.channel == "/meta/connect";
        let reply = self.failed(UNKNOWN);
        if is_connect { reply.advised(HANDSHAKE) } else { reply }
    }

    /// The answer to the connect of a client whose session ends so.
    #[must_use]
    pub fn ended(self, ending: Ending) -> Self {
        match ending {
            Ending::Normal => self.advised(NONE),
            ending if ending.reconnect() => self.unknown(),
            _ => self.failed(UNKNOWN).advised(NONE),
        }
    }

    /// Appends it; a comma comes between two.
    pub fn write(&self, now: i64, out: &mut String) {
        if !out.is_empty() && !out.ends_with('[') {
            out.push(',');
        }
        out.push('{');
        if let Some(id) = &self.id {
            let _ = write!(out, r#""id":{id},"#);
        }
        let successful = self.error.is_none();
        let _ = write!(out, r#""channel":{},"successful":{successful}"#, json!(self.channel));
        out.push_str(&self.more);
        if let Some(error) = &self.error {
            let _ = write!(out, r#","error":{}"#, json!(error));
        }
        if let Some(advice) = &self.advice {
            let _ = write!(out, r#","advice":{advice}"#);
        }
        let ack = self.ack.map(|ack| match ack {
            0 => r#""ack":true"#.to_owned(),
            ack => format!(r#""ack":{ack}"#),
        });
        let ext: Vec<String> = ack
            .into_iter()
            .chain(self.tick.and_then(|tick| tick.json(now)))
            .collect();
        if !ext.is_empty() {
            let _ = write!(out, r#","ext":{{{}}}"#, ext.join(","));
        }
        out.push('}');
    }
}

impl Tick {
    /// Left out when the client is right already.
    fn json(self, now: i64) -> Option<String> {
        let Self {
            tc,
            lag,
            offset,
            received,
        } = self;
        let accuracy = tc.saturating_add(offset).saturating_add(lag).saturating_sub(received);
        if lag != 0 && accuracy.saturating_abs() < 25 {
            return None;
        }
        let spent = now.saturating_sub(received).max(0);
        Some(format!(
            r#""timesync":{{"tc":{tc},"ts":{received},"p":{spent},"a":{accuracy}}}"#
        ))
    }
}

/// A text of a client's as a part of an error: no longer than anybody needs.
#[must_use]
pub fn argument(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Why a wish about this channel was not granted.
#[must_use]
pub fn refusal(rejection: &Rejection, channel: &str) -> String {
    let channel = argument(channel);
    match rejection {
        Rejection::Denied { verb: Verb::Join, .. } => format!("403:{channel}:subscribe_denied"),
        Rejection::Denied {
            verb: Verb::Publish, ..
        } => format!("403:{channel}:publish_denied"),
        Rejection::Denied { verb: Verb::Call, .. } => format!("403:{channel}:call_denied"),
        Rejection::NobodyAnswers(_) => format!("404:{channel}:Unknown service"),
        Rejection::CallFailed(why) => format!("500:{channel}:{}", argument(why)),
        Rejection::BadName(_) => format!("405:{channel}:Invalid channel"),
        Rejection::TooFast(_) => "429::too_fast".to_owned(),
        Rejection::Unavailable { .. } => format!("503:{channel}:unavailable"),
        other => format!("403:{channel}:{}", other.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = String::new();
        reply.write(1_000, &mut out);
        out
    }

    fn reply(json: &str, channel: &str) -> Reply {
        let raw = serde_json::from_str(json).unwrap();
        Reply::to(&BayeuxMessage::read(raw).unwrap(), channel, 1_000)
    }

    #[test]
    fn an_answer_repeats_the_id_as_it_was_written() {
        let said = reply(r#"{"id":"a\u0031"}"#, "/a\"");
        assert_eq!(written(&said), r#"{"id":"a\u0031","channel":"/a\"","successful":true}"#);
        let unknown = reply("{}", "/meta/connect").unknown();
        assert_eq!(
            written(&unknown),
            r#"{"channel":"/meta/connect","successful":false,"error":"402::Unknown client","advice":{"reconnect":"handshake","interval":0}}"#
        );
        assert!(reply("{}", "/meta/subscribe").unknown().advice.is_none());
    }

    #[test]
    fn the_clock_is_told_until_the_client_has_it_right() {
        let with = |lag: i64, offset: i64| {
            let ext = format!(r#"{{"ext":{{"timesync":{{"tc":900,"l":{lag},"o":{offset}}}}}}}"#);
            written(&reply(&ext, "/meta/connect"))
        };
        assert!(with(0, 0).ends_with(r#""ext":{"timesync":{"tc":900,"ts":1000,"p":0,"a":-100}}}"#));
        assert!(with(10, 20).contains("\"a\":-70"));
        assert!(!with(10, 80).contains("timesync"), "ten milliseconds are nothing");
        let plain = reply(r#"{"ext":{"timesync":{"tc":900}}}"#, "/a");
        assert!(plain.tick.is_none(), "only words between client and server");
        let mut numbered = reply("{}", "/meta/connect");
        numbered.ack = Some(2);
        assert!(written(&numbered).ends_with(r#""ext":{"ack":2}}"#));
    }

    #[test]
    fn whoever_was_thrown_out_stays_away() {
        for (ending, advice) in [
            (Ending::Normal, NONE),
            (Ending::Kicked, NONE),
            (Ending::Expired, HANDSHAKE),
            (Ending::Slow, HANDSHAKE),
            (Ending::GoingAway, HANDSHAKE),
        ] {
            assert_eq!(
                reply("{}", "/meta/connect").ended(ending).advice.as_deref(),
                Some(advice),
                "{ending:?}"
            );
        }
    }
}
