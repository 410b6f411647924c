//! What fuzzing asks of the dialect of nodefony, and of its login.
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use turted_core::Reaction;

use super::converse_within;
use crate::dialects::nodefony;
use crate::dialects::nodefony::login::Answer;

/// A conversation of nodefony: every answer is a JSON object, and an error has three parts, since clients cut it at the
/// colons. What is answered names the service, and the number of what was said, more than once.
pub fn nodefony(story: &[u8]) {
    converse_within(8, &nodefony::sample(), story, check);
}

fn check(reaction: &Reaction) {
    let Reaction::Send(text) = reaction else {
        return assert!(!matches!(reaction, Reaction::SendBinary(_)));
    };
    let answer: Value = serde_json::from_slice(text).unwrap();
    assert!(answer.is_object(), "{answer}");
    let error = &answer["error"];
    let error = error.as_str().or_else(|| error["error"].as_str()).unwrap_or_default();
    assert!(error.is_empty() || error.split(':').count() == 3, "{answer}");
}

/// What `Authorization: SASL` says, as it is and inside its base64. What was read, written and read again, is the same.
pub fn nodefony_login(data: &[u8]) {
    let wrap = |line: &[u8]| format!("SASL mechanism=\"Digest\",{}", BASE64_STANDARD.encode(line));
    let bare = std::str::from_utf8(data).unwrap_or_default();
    for header in [bare, &wrap(data)] {
        let Ok(answer) = Answer::read(header) else {
            continue;
        };
        let fields = |answer: &Answer| [answer.username.clone(), answer.nonce.clone(), answer.realm.clone()];
        let [username, nonce, realm] = fields(&answer);
        assert!(username.len() + nonce.len() + realm.len() < header.len());
        assert!(!answer.is_for(""));
        let expected = hex::encode(answer.expected(&answer.response));
        if [&username, &nonce, &realm].iter().any(|text| text.contains('"')) {
            continue;
        }
        let line = format!(
            "Digest username=\"{username}\",nonce=\"{nonce}\",realm=\"{realm}\",response={expected},\
             digest-uri=\"http/h\",cnonce=\"c\",qop=auth,nc=00000001"
        );
        let Ok(again) = Answer::read(&wrap(line.as_bytes())) else {
            panic!("{line} cannot be read again");
        };
        assert_eq!(fields(&again), [username, nonce, realm]);
        assert!(again.is_for("H") && hex::encode(again.response) == expected);
    }
}
