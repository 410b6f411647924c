//! What the user's backend answers when it is asked who somebody is, or what somebody may.
//!
//! In: an answer, from somebody who may have made any mistake. Out: an identity, a no, or what is wrong with the
//! answer; never an identity that the backend did not mean.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use turted_core::may::Grants;
use turted_core::{ChannelName, Denial, Identity, Limits, UserName};

use crate::outbound::Answer;

/// Shorter ones would keep asking.
const SHORTEST: Duration = Duration::from_secs(1);
/// Letters of the word that a client is told.
const WORD: usize = 64;
/// Most channels that somebody joins at once.
const MOST_JOINS: usize = 1000;

/// What a backend said about somebody.
pub struct Said {
    /// Who it is; claims are not yet picked.
    pub identity: Identity,
    /// Everything it vouches for.
    pub claims: Map<String, Value>,
    /// How long this holds.
    pub ttl: Option<Duration>,
}

/// Reads who somebody is.
///
/// # Errors
/// What is wrong with the answer, for the operator; nothing that was sent or came back.
pub fn read(answer: &Answer, limits: &Limits, now: SystemTime) -> Result<Result<Said, Denial>, String> {
    match answer.status {
        200 => parse(&answer.body, limits, now).map(Ok),
        401 | 403 => Ok(Err(denial(answer))),
        status => Err(format!("it answered {status}")),
    }
}

/// Reads whether somebody may: 200 with `{"may":true}` or `{"may":false}`, or 403.
///
/// # Errors
/// As [`read`].
pub fn may(answer: &Answer) -> Result<bool, String> {
    match answer.status {
        200 => {
            let said = object(&answer.body)?;
            let may = said.get("may").and_then(Value::as_bool);
            may.ok_or_else(|| "its answer has no \"may\" that is true or false".to_owned())
        }
        401 | 403 => Ok(false),
        status => Err(format!("it answered {status}")),
    }
}

fn denial(answer: &Answer) -> Denial {
    let said = object(&answer.body).ok();
    let word = said.as_ref().and_then(|said| said.get("error")?.as_str());
    let is_plain = |word: &&str| {
        (1..=WORD).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    Denial {
        why: format!("the backend answered {}", answer.status).into(),
        word: word.filter(is_plain).map(Box::from),
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(body).map_err(|_| "its answer is no JSON object".to_owned())
}

/// Reads who somebody is out of a body.
///
/// # Errors
/// As [`read`].
pub fn parse(body: &[u8], limits: &Limits, now: SystemTime) -> Result<Said, String> {
    let mut said = object(body)?;
    let user = match said.get("user") {
        Some(Value::Null) => None,
        Some(Value::String(name)) => Some(UserName::parse(name, limits).map_err(|why| format!("its user {why}"))?),
        Some(_) => return Err("its user is neither a text nor null".to_owned()),
        None => return Err("its answer has no user; null says that it is nobody in particular".to_owned()),
    };
    let ttl = match said.get("ttl") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            let ttl = humantime::parse_duration(text).map_err(|_| "its ttl is none, e.g. \"10m\"".to_owned())?;
            Some(ttl.max(SHORTEST))
        }
        Some(_) => return Err("its ttl is no text, e.g. \"10m\"".to_owned()),
    };
    let joins = match said.get("join") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) if names.len() <= MOST_JOINS => names
            .iter()
            .map(|name| joined(name, limits))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(format!("its join is no list of at most {MOST_JOINS} channels")),
    };
    let grants = match said.get("may") {
        None | Some(Value::Null) => Grants::default(),
        Some(may) => Grants::read(may)?,
    };
    let claims = match said.remove("claims") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(claims)) => claims,
        Some(_) => return Err("its claims are no object".to_owned()),
    };
    let identity = Identity {
        user,
        grants,
        joins,
        issued: Some(now),
        renews: ttl.and_then(|ttl| now.checked_add(ttl)),
        ..Identity::default()
    };
    Ok(Said { identity, claims, ttl })
}

fn joined(name: &Value, limits: &Limits) -> Result<ChannelName, String> {
    let name = name.as_str().ok_or("a channel in its join is no text")?;
    ChannelName::parse(name, limits).map_err(|why| format!("a channel in its join {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::may::{Claims, Verb};

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: body.to_owned().into(),
            ..Answer::default()
        }
    }

    fn asked(status: u16, body: &str) -> Result<Result<Said, Denial>, String> {
        read(&answer(status, body), &Limits::default(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_whole_answer_is_an_identity() {
        let body = r#"{"user":"adam","ttl":"10m","join":["user.adam"],"may":{"join":["room.*"]},"info":{"x":1},"claims":{"org":"a"}}"#;
        let said = asked(200, body).unwrap().unwrap();
        assert_eq!(said.identity.user.as_ref().unwrap().as_str(), "adam");
        assert_eq!(said.ttl, Some(Duration::from_secs(600)));
        assert_eq!(
            said.identity.renews,
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(600))
        );
        assert_eq!(said.identity.joins[0].as_str(), "user.adam");
        let none = Claims::default();
        assert_eq!(said.identity.grants.find(Verb::Join, "room.7", None, &none), Some(0));
        assert_eq!(said.claims["org"], "a");
        assert!(!said.identity.as_claimed);
    }

    #[test]
    fn null_is_nobody_in_particular_and_no_user_is_a_mistake() {
        let nobody = asked(200, r#"{"user":null}"#).unwrap().unwrap().identity;
        assert!(nobody.user.is_none() && !nobody.as_claimed && nobody.renews.is_none());
        assert!(asked(200, "{}").is_err());
    }

    #[test]
    fn whatever_is_no_answer_is_neither_yes_nor_no() {
        for (status, body) in [
            (200, ""),
            (200, "<html>"),
            (200, "null"),
            (200, "[]"),
            (200, "\"adam\""),
            (200, r#"{"user":7}"#),
            (200, r#"{"user":true}"#),
            (200, r#"{"user":""}"#),
            (200, r#"{"user":"a\nb"}"#),
            (200, r#"{"user":{"name":"adam"}}"#),
            (200, r#"{"user":"adam","ttl":600}"#),
            (200, r#"{"user":"adam","ttl":"soon"}"#),
            (200, r#"{"user":"adam","ttl":"-1s"}"#),
            (200, r#"{"user":"adam","join":"a"}"#),
            (200, r#"{"user":"adam","join":[1]}"#),
            (200, r#"{"user":"adam","join":[""]}"#),
            (200, r#"{"user":"adam","may":[]}"#),
            (200, r#"{"user":"adam","may":{"fly":[]}}"#),
            (200, r#"{"user":"adam","claims":[]}"#),
            (201, r#"{"user":"adam"}"#),
            (204, ""),
            (302, ""),
            (400, ""),
            (404, ""),
            (500, r#"{"user":"adam"}"#),
        ] {
            assert!(asked(status, body).is_err(), "{status} {body}");
        }
        let many = format!(r#"{{"user":"a","join":[{}"a"]}}"#, r#""a","#.repeat(MOST_JOINS));
        assert!(asked(200, &many).is_err());
    }

    #[test]
    fn a_no_may_bring_one_plain_word() {
        let word = |body: &str| asked(403, body).unwrap().err().unwrap().word;
        assert_eq!(word(r#"{"error":"banned"}"#).as_deref(), Some("banned"));
        assert_eq!(asked(401, "").unwrap().err().unwrap().word, None);
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(65));
        for body in [
            "<html>",
            r#"{"error":"two words"}"#,
            r#"{"error":7}"#,
            r#"{"error":"<b>"}"#,
            &long,
        ] {
            assert_eq!(word(body), None, "{body}");
        }
    }

    #[test]
    fn whether_somebody_may_is_true_or_false_and_nothing_else() {
        let asked = |status, body: &str| may(&answer(status, body));
        assert_eq!(asked(200, r#"{"may":true}"#), Ok(true));
        assert_eq!(asked(200, r#"{"may":false}"#), Ok(false));
        assert_eq!(asked(403, ""), Ok(false));
        for (status, body) in [
            (200, "{}"),
            (200, r#"{"may":"true"}"#),
            (200, r#"{"may":1}"#),
            (200, "true"),
            (204, ""),
            (302, ""),
        ] {
            assert!(asked(status, body).is_err(), "{status} {body}");
        }
    }
}
