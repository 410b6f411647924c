//! What fuzzing asks of the dialect of RackHD.
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken.

use serde::Deserialize;
use turted_core::{Limits, Reaction};

use super::{BAD_MESSAGES, converse_within};
use crate::dialects::rackhd::{RackHd, Terms};

/// A message that a client takes.
#[derive(Deserialize)]
struct Told {
    #[serde(rename = "handler")]
    _handler: String,
}

/// A conversation of RackHD: every answer is an object with a `handler`. A resource that is said comes back twice, each
/// of its letters may take six, and a document comes twice as well.
pub fn rackhd(story: &[u8]) {
    let terms = Terms {
        resources: ["nodes", "skus", "closed", "nobody", "nothing"]
            .map(str::to_owned)
            .into(),
        around: (String::new(), String::new()),
        exchanges: ["on.events".to_owned()].into(),
        personal: ("user".to_owned(), "everybody".to_owned()),
        limits: Limits::default(),
        bad_messages: BAD_MESSAGES,
    };
    converse_within(16, &RackHd::new(terms).at("nodes"), story, |reaction| {
        let Reaction::Send(text) = reaction else {
            return assert!(!matches!(reaction, Reaction::SendBinary(_)));
        };
        let is_told = serde_json::from_slice::<Told>(text).is_ok();
        assert!(text.starts_with(b"{") && is_told, "{text:?}");
    });
}
