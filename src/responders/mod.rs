//! Who answers the calls of clients: one list.
//!
//! In: sections `[responders.<name>]`. Out: responders by name, or problems that name the key. Another type costs a
//! line in `KINDS`. What belongs to one dialect only is built by that dialect.

pub mod bridge;
pub mod http;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use turted_core::{Responder, Responders};

use crate::config::{Problem, Section, Sections};
use crate::outbound::Outbound;

/// A section `[responders.<name>]` of one type.
trait ResponderConfig: DeserializeOwned {
    /// The value of `type` in the section.
    const TYPE: &'static str;

    /// Builds it; `None` when there is no way out, since nothing is served.
    fn build(self, outbound: Option<&Outbound>) -> Option<Arc<dyn Responder>>;
}

type Build = fn(&Section, Option<&Outbound>) -> Result<Option<Arc<dyn Responder>>, Vec<Problem>>;

/// Value of `type`, and how such a section becomes a responder.
const KINDS: &[(&str, Build)] = &[(http::HttpConfig::TYPE, make::<http::HttpConfig>)];

/// Checks a section without keeping what it builds.
///
/// # Errors
/// Every problem of the section, with its place.
pub fn check(section: &Section) -> Result<(), Vec<Problem>> {
    build(section, None).map(drop)
}

/// Builds all that are not switched off, as `[responders]` has been checked before; `more` come before them.
#[must_use]
pub fn all(sections: &Sections, outbound: &Outbound, more: Vec<(Arc<str>, Arc<dyn Responder>)>) -> Responders {
    let enabled = sections.iter().filter(|(_, section)| section.is_enabled);
    let built = enabled.filter_map(|(name, section)| {
        let responder = build(section, Some(outbound)).ok().flatten()?;
        Some((name.as_str().into(), responder))
    });
    built.chain(more).collect()
}

fn build(section: &Section, outbound: Option<&Outbound>) -> Result<Option<Arc<dyn Responder>>, Vec<Problem>> {
    match KINDS.iter().find(|(kind, _)| *kind == section.kind) {
        Some((_, build)) => build(section, outbound),
        None => {
            let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            Err(vec![section.unknown_kind(&known)])
        }
    }
}

fn make<C: ResponderConfig>(
    section: &Section,
    outbound: Option<&Outbound>,
) -> Result<Option<Arc<dyn Responder>>, Vec<Problem>> {
    section.parse::<C>().map(|config| config.build(outbound))
}
