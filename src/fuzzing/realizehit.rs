//! What fuzzing asks of the dialect of realizehit.
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken.

use std::str::from_utf8;

use serde_json::value::RawValue;
use turted_core::{Limits, Reaction};

use super::converse_within;
use crate::dialects::realizehit::RealizeHit;

/// A conversation of realizehit: every answer is a JSON object, and an event is the id of a pattern and JSON that its
/// clients do not cut; all of it in ASCII. A question mark takes six letters.
pub fn realizehit(story: &[u8]) {
    converse_within(8, &RealizeHit::new(Limits::default(), 20), story, check);
}

fn check(reaction: &Reaction) {
    let Reaction::Send(text) = reaction else {
        return assert!(!matches!(reaction, Reaction::SendBinary(_)));
    };
    let text = from_utf8(text).unwrap();
    assert!(text.is_ascii(), "{text:?}");
    let json = match text.split_once('?').filter(|_| !text.starts_with('{')) {
        Some((id, payload)) => {
            assert!(
                id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{text:?}"
            );
            assert!(!payload.contains('?'), "{text:?}");
            payload
        }
        None => {
            assert!(text.starts_with('{'), "{text:?}");
            text
        }
    };
    assert!(serde_json::from_str::<&RawValue>(json).is_ok(), "{text:?}");
}
