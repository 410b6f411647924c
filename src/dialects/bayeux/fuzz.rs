//! What fuzzing asks of this dialect; see `fuzzing`.
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken.

use std::str::from_utf8;

use serde_json::value::RawValue;
use turted_core::{Limits, Reaction};

use super::jsonp;
use super::message::{BayeuxMessage, MOST, batch};

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(text).is_ok()
}

/// Every answer is an array, or the time for which a connect may be held and one.
pub fn check(reaction: &Reaction) {
    let Reaction::Send(text) = reaction else {
        return assert!(!matches!(reaction, Reaction::SendBinary(_)));
    };
    let text = from_utf8(text).unwrap();
    let (hold, json) = text
        .split_once(';')
        .filter(|_| !text.starts_with('['))
        .unwrap_or(("0", text));
    assert!(
        hold.parse::<u64>().is_ok() && json.starts_with('[') && is_json(json.as_bytes()),
        "{text:?}"
    );
}

/// A batch of Bayeux, and the script that answers it: the batch has no more messages than it may, and a script calls
/// nothing but a function.
pub fn bayeux_batch(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let messages = batch(text, &Limits::default()).unwrap_or_default();
    assert!(messages.len() <= MOST);
    for message in messages.into_iter().filter_map(BayeuxMessage::read) {
        assert!(message.id().is_none_or(|id| is_json(id.as_bytes())));
        let _ = (message.channel(), message.client(), message.timeout(), message.types());
        let _ = (
            message.subscriptions(),
            message.ext().tick(),
            message.ext().credentials(),
        );
    }
    if jsonp::is_function(text) {
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_$.".contains(&b)));
    }
    if is_json(data) {
        let script = jsonp::script("f", text);
        let inner = script
            .strip_prefix("/**/f(")
            .and_then(|rest| rest.strip_suffix(");"))
            .unwrap();
        let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert_eq!(same(inner), same(text));
        assert!(!inner.contains(['<', '\u{2028}', '\u{2029}']));
    }
}
