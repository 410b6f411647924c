//! What somebody may do: verbs, patterns of names, and the rules that put them together.
//!
//! In: rules, and an identity that wants something. Out: yes with the rule that says so, no with the reason, or that
//! somebody else is to be asked. Plain values: no actor, no clock, no wire.

mod claims;
mod grants;
mod names;
mod naming;
mod pattern;
#[cfg(test)]
mod pattern_tests;
mod permissions;
#[cfg(test)]
mod permissions_tests;

pub use claims::{Claims, find};
pub use grants::{Grants, MOST_GRANTS, Verb};
pub use names::Names;
pub use naming::{Naming, kind};
pub use pattern::{MOST_BYTES, Pattern, PatternError};
pub use permissions::{Audience, Because, Condition, Permissions, RESERVED, Verdict, Who};
