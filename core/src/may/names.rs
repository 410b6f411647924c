//! Which names a question is about: one, or all that begin alike.
//!
//! In: a name, or the prefix of a pattern of channels. Out: [`Names`], which rules judge.

use std::fmt;

/// The names that somebody wants to do something with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names<'a> {
    /// This one.
    One(&'a str),
    /// Every one that begins so and is longer.
    Below(&'a str),
}

impl<'a> Names<'a> {
    /// What all of them begin with.
    #[must_use]
    pub fn prefix(self) -> &'a str {
        match self {
            Self::One(name) | Self::Below(name) => name,
        }
    }
}

impl<'a> From<&'a str> for Names<'a> {
    fn from(name: &'a str) -> Self {
        Self::One(name)
    }
}

/// As a rule would be written that grants exactly this.
impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(name) => f.write_str(name),
            Self::Below(prefix) => write!(f, "{prefix}**"),
        }
    }
}
