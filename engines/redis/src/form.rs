//! An entry of the stream, as it is written and read.
//!
//! In: dispatches, and whatever stands in the stream. Out: fields, and what they mean, or why they mean nothing. What
//! is read is not trusted: it is checked as at every other door, and nothing of it gets into the reason.

use turted_core::dispatch::Epoch;
use turted_core::ledger::{What, entry};
use turted_core::limits::Limits;

use crate::reply::Raw;
use crate::seal::Seal;

/// What an epoch's beginning is sealed as.
pub fn beginning(epoch: &Epoch) -> String {
    format!("turn {}", epoch.as_str())
}

/// Whether it says that it is of this epoch.
pub fn is_of(raw: &Raw, epoch: &Epoch) -> bool {
    matches!(raw.field("e"), Ok(Some(of)) if of == epoch.as_str().as_bytes())
}

/// What it is, in this epoch.
pub fn read(raw: &Raw, epoch: &Epoch, seal: Option<&Seal>, limits: &Limits) -> What {
    understand(raw, epoch, seal, limits).unwrap_or_else(What::Unreadable)
}

fn understand(raw: &Raw, epoch: &Epoch, seal: Option<&Seal>, limits: &Limits) -> Result<What, String> {
    match raw
        .field("v")?
        .map(|form| std::str::from_utf8(form).ok().and_then(|form| form.parse::<u32>().ok()))
    {
        None => return Err("it has no form".to_owned()),
        Some(None) => return Err("its form is no number".to_owned()),
        Some(Some(form)) if form > entry::FORM => {
            let newest = entry::FORM;
            return Err(format!("it is of form {form}, and this turted reads up to {newest}"));
        }
        Some(Some(_)) => {}
    }
    if !is_of(raw, epoch) {
        return Err("it is not of the epoch of its place".to_owned());
    }
    let sealed = |header: &[u8], payload: &[u8]| match (seal, raw.field("m")?) {
        (None, _) => Ok(()),
        (Some(seal), Some(found)) if seal.holds(found, header, payload) => Ok(()),
        (Some(_), Some(_)) => Err("its seal is not one of this secret".to_owned()),
        (Some(_), None) => Err("it has no seal".to_owned()),
    };
    if raw.field("turn")?.is_some() {
        sealed(beginning(epoch).as_bytes(), b"")?;
        return Ok(What::Turn);
    }
    let header = raw.field("h")?.ok_or("it has no header")?;
    let payload = raw.field("d")?.ok_or("it has no payload")?;
    sealed(header, payload)?;
    let (origin, dispatch) = entry::read(header, payload.clone(), limits)?;
    Ok(What::Dispatch(origin, dispatch.into()))
}
