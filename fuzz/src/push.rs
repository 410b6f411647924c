//! Pushes.
//!
//! In: bytes as the body of a push. Out: a panic when a dispatch is not what the limits allow, or its payload was not
//! in the body.

use turted_core::envelope::{self, BATCH, Body, KEY_BYTES, TARGETS};
use turted_core::{Dispatch, Limits, Payload, Target};

/// A push, or a list of them: what is dispatched keeps to the limits, and payloads are passed on byte for byte.
pub fn push(body: &[u8]) {
    let limits = Limits::default();
    let pushes = match envelope::parse(body, &limits) {
        Ok(Body::One(push)) => vec![*push],
        Ok(Body::Batch(list)) => {
            assert!(list.len() <= BATCH);
            list.into_iter().flatten().collect()
        }
        Err(refusal) => return assert!(refusal.message.len() <= 1024, "{refusal}"),
    };
    for push in pushes {
        let payload = push.dispatch.payload.as_bytes();
        let is_part = payload == b"{}" || body.windows(payload.len()).any(|part| part == payload);
        assert!(is_part, "the payload was changed: {:?}", push.dispatch.payload);
        allowed(&push.dispatch, &limits);
    }
}

/// What holds for every dispatch, wherever it came from.
pub(crate) fn allowed(dispatch: &Dispatch, limits: &Limits) {
    let payload = bytes::Bytes::copy_from_slice(dispatch.payload.as_bytes());
    assert_eq!(Payload::parse(payload, limits).as_ref(), Ok(&dispatch.payload));
    assert!(dispatch.targets.len() <= 4 * TARGETS + 1);
    assert!(dispatch.key.as_ref().is_none_or(|key| key.len() <= 2 * KEY_BYTES));
    let names = dispatch.targets.iter().map(|target| match target {
        Target::User(user) => user.as_str(),
        Target::Channel(channel) => channel.as_str(),
        Target::Everybody => "*",
    });
    for name in names.chain([dispatch.event.as_str()]) {
        assert!(
            name.len() <= limits.name_bytes && !name.contains(char::is_control),
            "{name:?}"
        );
    }
}
