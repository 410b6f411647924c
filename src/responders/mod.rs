//! Who answers the calls of clients: one list.
//!
//! In: sections `[responders.<name>]`. Out: responders by name, or problems that name the key. Another type costs a
//! line in `KINDS`; this is the only file that names a crate of the folder `responders/`. What belongs to one dialect
//! only is built by that dialect.

pub mod bridge;
pub mod http;

use log::{error, warn};
use serde::de::DeserializeOwned;
use turted_core::{Named, Responders, SettingError};

use crate::config::{Problem, Section, Sections};
use crate::outbound::Outbound;

/// A section `[responders.<name>]` of one type.
trait ResponderConfig: DeserializeOwned {
    /// The value of `type` in the section.
    const TYPE: &'static str;

    /// Builds who answers: by the name of the section, or by names of their own. Nobody is asked yet. Without a way
    /// out, since nothing is served, there may be none.
    fn build(self, name: &str, outbound: Option<&Outbound>) -> Result<Vec<Named>, SettingError>;
}

#[cfg(feature = "mongodb")]
impl ResponderConfig for turted_mongodb::MongodbConfig {
    const TYPE: &'static str = Self::TYPE;

    fn build(self, name: &str, _: Option<&Outbound>) -> Result<Vec<Named>, SettingError> {
        self.build(name)
    }
}

type Build = fn(&Section, Option<&Outbound>) -> Result<Vec<Named>, Vec<Problem>>;

/// Value of `type`, and how such a section becomes responders.
const KINDS: &[(&str, Build)] = &[
    (http::HttpConfig::TYPE, make::<http::HttpConfig>),
    #[cfg(feature = "mongodb")]
    (
        turted_mongodb::MongodbConfig::TYPE,
        make::<turted_mongodb::MongodbConfig>,
    ),
];

/// Checks a section without keeping what it builds.
///
/// # Errors
/// Every problem of the section, with its place.
pub fn check(section: &Section) -> Result<(), Vec<Problem>> {
    build(section, None).map(drop)
}

/// Builds all that are not switched off, as `[responders]` has been checked before. Who has the name of its section
/// goes before who has it among others; `more` go before all of them.
#[must_use]
pub fn all(sections: &Sections, outbound: &Outbound, more: Vec<Named>) -> Responders {
    let (mut own, mut others) = (Vec::new(), Vec::<Named>::new());
    for (name, section) in sections.iter().filter(|(_, section)| section.is_enabled) {
        let built = build(section, Some(outbound)).unwrap_or_else(|problems| {
            problems.iter().for_each(|problem| error!("{problem}"));
            Vec::new()
        });
        for named in built {
            match &*named.0 {
                called if called == name => own.push(named),
                called if others.iter().any(|(other, _)| &**other == called) => {
                    warn!("responders.{name} answers to {called}, which another section does already");
                }
                _ => others.push(named),
            }
        }
    }
    // The last one counts.
    others.into_iter().chain(own).chain(more).collect()
}

fn build(section: &Section, outbound: Option<&Outbound>) -> Result<Vec<Named>, Vec<Problem>> {
    match KINDS.iter().find(|(kind, _)| *kind == section.kind) {
        Some((_, build)) => build(section, outbound),
        None => {
            let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            Err(vec![section.unknown_kind(&known)])
        }
    }
}

fn make<C: ResponderConfig>(section: &Section, outbound: Option<&Outbound>) -> Result<Vec<Named>, Vec<Problem>> {
    let config: C = section.parse()?;
    config.build(&section.name, outbound).map_err(|error| {
        let problem = |error: SettingError| section.problem(&error.key, error.why);
        error.all().into_iter().map(problem).collect()
    })
}
