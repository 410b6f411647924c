//! Recipes.
//!
//! In: the value of `envelope` as JSON, on one line, and a message behind it. Out: a panic when a dispatch breaks a
//! limit.

use std::borrow::Cow;

use turted_core::{Envelope, Limits, Message, Recipe, Vocabulary};

use crate::push::allowed;

/// A message that is whatever its body is.
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl Message for Text<'_> {
    fn body(&self) -> &[u8] {
        self.0
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "exchange" => Some("shop".into()),
            "routing_key" | "fields" => Some(String::from_utf8_lossy(self.0)),
            _ => name.strip_prefix("header.").map(|name| name.to_owned().into()),
        }
    }

    fn id(&self) -> Option<Cow<'_, str>> {
        Some("1".into())
    }
}

/// A recipe and a message: what comes of them is allowed, however strange both are.
pub fn mapping(data: &[u8]) {
    let Some(at) = data.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&data[..at]) else {
        return;
    };
    let is_mapped = matches!(envelope, Envelope::Mapped(_));
    let words = Vocabulary::new().with("exchange").with_words("routing_key");
    let words = words.with_json("fields").with_any("header");
    let Ok(recipe) = Recipe::new(envelope, &words, &"{json}".into()) else {
        return;
    };
    let limits = Limits::default();
    let dispatches = recipe.dispatches(&Text(&data[at + 1..]), "x", &limits);
    for dispatch in dispatches.into_iter().flatten() {
        allowed(&dispatch, &limits);
        assert!(!is_mapped || !dispatch.targets.is_empty(), "it is for nobody");
    }
}
