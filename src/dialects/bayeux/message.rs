//! The messages of a batch, as clients write them.
//!
//! In: text. Out: the members that matter, not taken apart further than anybody asks. What is unknown is passed over.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use turted_core::Limits;
use turted_core::json::check_depth;

use super::reply::Tick;

/// Messages, and wishes in them, that one batch may have (CWE-770).
pub const MOST: usize = 1024;
/// Longest id that is repeated in an answer. Clients count.
const ID_BYTES: usize = 256;

/// Some JSON, also `null`; or nothing at all.
type Raw<'a> = Option<&'a RawValue>;

/// One message.
#[derive(Debug, Default, Deserialize)]
pub struct BayeuxMessage<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    channel: Raw<'a>,
    #[serde(borrow, default, rename = "clientId", deserialize_with = "present")]
    client: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    ext: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    advice: Raw<'a>,
    #[serde(borrow, default, rename = "supportedConnectionTypes", deserialize_with = "present")]
    types: Raw<'a>,
    #[serde(borrow, default, rename = "minimumVersion", deserialize_with = "present")]
    minimum: Raw<'a>,
    /// What is subscribed, as it was written.
    #[serde(borrow, default, deserialize_with = "present")]
    pub subscription: Raw<'a>,
    /// What is said.
    #[serde(borrow, default, deserialize_with = "present")]
    pub data: Raw<'a>,
}

/// What extensions put into a message.
#[derive(Debug, Default, Deserialize)]
pub struct Ext<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    ack: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    timesync: Raw<'a>,
    /// Who somebody says to be.
    #[serde(borrow, default, deserialize_with = "present")]
    pub authentication: Raw<'a>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Raw<'a>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Why there are no messages in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or something else than objects.
    #[error("a batch is a JSON array of messages")]
    NoBatch,
    /// Nested too deeply.
    #[error("the batch is nested too deeply")]
    TooDeep,
    /// More than [`MOST`].
    #[error("the batch has more than {MOST} messages")]
    TooMany,
}

/// The messages of a text: an array of them, or one.
///
/// # Errors
/// [`Unreadable`].
pub fn batch<'a>(text: &'a str, limits: &Limits) -> Result<Vec<&'a RawValue>, Unreadable> {
    // One level more for the brackets around them.
    let within = Limits {
        json_depth: limits.json_depth + 1,
        ..*limits
    };
    check_depth(text.as_bytes(), &within).map_err(|_| Unreadable::TooDeep)?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|_| Unreadable::NoBatch)?;
    let messages: Vec<&RawValue> = match whole.get().starts_with('[') {
        true => serde_json::from_str(whole.get()).map_err(|_| Unreadable::NoBatch)?,
        false => vec![whole],
    };
    if messages.len() > MOST {
        return Err(Unreadable::TooMany);
    }
    match messages.iter().all(|message| message.get().starts_with('{')) {
        true => Ok(messages),
        false => Err(Unreadable::NoBatch),
    }
}

impl<'a> BayeuxMessage<'a> {
    /// Reads one; with members that are there twice it is none.
    #[must_use]
    pub fn read(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// Its channel.
    #[must_use]
    pub fn channel(&self) -> Option<String> {
        text(self.channel)
    }

    /// The session that it is for.
    #[must_use]
    pub fn client(&self) -> Option<String> {
        text(self.client)
    }

    /// By what the client recognises the answer, as it was written.
    #[must_use]
    pub fn id(&self) -> Option<&'a str> {
        let id = self.id?.get();
        let is_short = id.len() <= ID_BYTES && !id.starts_with(['{', '[', 'n', 't', 'f']);
        is_short.then_some(id)
    }

    /// What extensions say.
    #[must_use]
    pub fn ext(&self) -> Ext<'a> {
        let ext = self.ext.and_then(|ext| serde_json::from_str(ext.get()).ok());
        ext.unwrap_or_default()
    }

    /// How long the client lets its connect be held at most, in milliseconds.
    #[must_use]
    pub fn timeout(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct Advice {
            timeout: f64,
        }
        let advice: Advice = serde_json::from_str(self.advice?.get()).ok()?;
        // What is negative is none, and what is too much is as much as fits.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(advice.timeout as u64)
    }

    /// Whether the client is of CometD's family, which says the lowest version that it speaks, and takes more names of
    /// channels than the specification allows.
    #[must_use]
    pub fn is_lenient(&self) -> bool {
        self.minimum.is_some()
    }

    /// Whether it has advice, and wants some.
    #[must_use]
    pub fn is_advised(&self) -> bool {
        self.advice.is_some()
    }

    /// The connection types that the client knows, if it says so.
    #[must_use]
    pub fn types(&self) -> Option<Vec<String>> {
        serde_json::from_str(self.types?.get()).ok()
    }

    /// The channels in `subscription`, which is a text or an array of texts.
    #[must_use]
    pub fn subscriptions(&self) -> Option<Vec<String>> {
        let raw = self.subscription?.get();
        let channels = match raw.starts_with('[') {
            true => serde_json::from_str(raw).ok(),
            false => text(self.subscription).map(|one| vec![one]),
        };
        channels.filter(|channels: &Vec<String>| !channels.is_empty())
    }
}

impl Ext<'_> {
    /// Whether it wants events to be acknowledged.
    #[must_use]
    pub fn wants_acks(&self) -> bool {
        self.ack.is_some_and(|ack| ack.get() == "true")
    }

    /// The last batch that it has seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.ack.and_then(|ack| ack.get().parse().ok()).unwrap_or(0)
    }

    /// What its clock says.
    #[must_use]
    pub fn tick(&self) -> Option<Tick> {
        #[derive(Deserialize)]
        struct Clock {
            tc: f64,
            #[serde(default)]
            l: f64,
            #[serde(default)]
            o: f64,
        }
        let Clock { tc, l, o } = serde_json::from_str(self.timesync?.get()).ok()?;
        // What is too much is as much as fits.
        #[allow(clippy::cast_possible_truncation)]
        let [tc, lag, offset] = [tc, l, o].map(|number| number as i64);
        Some(Tick {
            tc,
            lag,
            offset,
            received: 0,
        })
    }

    /// Who somebody says to be, as authenticators read it: an object as it is, with what CometD calls `credentials`
    /// also as `password` and `token`; a text is a token.
    #[must_use]
    pub fn credentials(&self) -> Option<Value> {
        let mut said: Value = serde_json::from_str(self.authentication?.get()).ok()?;
        if let Value::String(token) = said {
            return Some(serde_json::json!({ "token": token }));
        }
        let members = said.as_object_mut()?;
        if let Some(Value::String(secret)) = members.get("credentials").cloned() {
            for name in ["password", "token"] {
                members.entry(name).or_insert_with(|| secret.clone().into());
            }
        }
        Some(said)
    }
}

fn text(raw: Raw<'_>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> BayeuxMessage<'_> {
        BayeuxMessage::read(serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn a_batch_is_an_array_or_one_message() {
        let limits = Limits::default();
        let count = |text: &str| batch(text, &limits).map(|messages| messages.len());
        assert_eq!(count(r#" [{"a":1}, {} ] "#), Ok(2));
        assert_eq!(count("{}"), Ok(1));
        assert_eq!(count("[]"), Ok(0));
        for none in ["", "1", "null", "[1]", "[[]]", "[{}", "{}{}", "\"x\""] {
            assert_eq!(count(none), Err(Unreadable::NoBatch), "{none}");
        }
        let many = |number: usize| format!("[{}]", vec!["{}"; number].join(","));
        assert_eq!(count(&many(MOST)), Ok(MOST));
        assert_eq!(count(&many(MOST + 1)), Err(Unreadable::TooMany));
        let deep = |levels: usize| format!("[{{\"data\":{}{}}}]", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(count(&deep(63)), Ok(1));
        assert_eq!(count(&deep(64)), Err(Unreadable::TooDeep));
        assert_eq!(count(&"[".repeat(1_000_000)), Err(Unreadable::TooDeep));
    }

    #[test]
    fn null_is_something_and_ids_keep_their_type() {
        let said = read(r#"{"data":null,"id":7,"channel":"\u002fa"}"#);
        assert_eq!((said.data.map(RawValue::get), said.id()), (Some("null"), Some("7")));
        assert_eq!(said.channel().as_deref(), Some("/a"));
        assert!(read("{}").data.is_none());
        for id in ["{}", "[1]", "null", "true"] {
            assert_eq!(read(&format!("{{\"id\":{id}}}")).id(), None, "{id}");
        }
        assert!(BayeuxMessage::read(serde_json::from_str(r#"{"id":1,"id":2}"#).unwrap()).is_none());
    }

    #[test]
    fn subscriptions_are_one_or_many() {
        let of = |json: &str| read(&format!("{{\"subscription\":{json}}}")).subscriptions();
        assert_eq!(of("\"/a\""), Some(vec!["/a".to_owned()]));
        assert_eq!(of("[\"/a\",\"/b\"]").unwrap().len(), 2);
        for none in ["[]", "1", "null", "[1]", "{}"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn what_extensions_and_advice_say_is_read_leniently() {
        let said = read(
            r#"{"advice":{"timeout":0,"interval":1},"ext":{"ack":3,"timesync":{"tc":1700000000000,"l":23,"o":-4}}}"#,
        );
        assert_eq!(
            (said.timeout(), said.is_advised(), said.ext().seen()),
            (Some(0), true, 3)
        );
        let tick = said.ext().tick().unwrap();
        assert_eq!((tick.tc, tick.lag, tick.offset), (1_700_000_000_000, 23, -4));
        assert!(read(r#"{"ext":{"ack":true}}"#).ext().wants_acks());
        for odd in [
            r#"{"ext":1,"advice":7}"#,
            r#"{"ext":{"ack":-1,"timesync":[]},"advice":{"timeout":"x"}}"#,
        ] {
            let said = read(odd);
            assert_eq!((said.ext().seen(), said.timeout(), said.ext().tick()), (0, None, None));
        }
        assert_eq!(read(r#"{"advice":{"timeout":1e300}}"#).timeout(), Some(u64::MAX));
        assert_eq!(read(r#"{"advice":{"timeout":-5}}"#).timeout(), Some(0));
    }

    #[test]
    fn credentials_come_in_any_shape() {
        let of = |json: &str| {
            read(&format!("{{\"ext\":{{\"authentication\":{json}}}}}"))
                .ext()
                .credentials()
        };
        assert_eq!(of("\"t\""), Some(serde_json::json!({"token": "t"})));
        let said = of(r#"{"user":"adam","credentials":"s"}"#).unwrap();
        assert_eq!((&said["password"], &said["token"]), (&"s".into(), &"s".into()));
        assert_eq!(of(r#"{"token":"t","credentials":"s"}"#).unwrap()["token"], "t");
        assert_eq!(of("7"), None);
    }
}
