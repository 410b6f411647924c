//! The scripts: each a step that nobody sees half done.
//!
//! In: which one. Out: its text. What they do is said in them.

/// A script, and its place in [`TEXTS`].
#[derive(Debug, Clone, Copy)]
pub enum Script {
    /// Gives a batch its places.
    Append,
    /// How things stand.
    Look,
    /// A node lives.
    Renew,
    /// Nodes are gone.
    Bury,
    /// Begins an epoch.
    Turn,
}

macro_rules! text {
    ($file:literal) => {
        concat!(include_str!("scripts/common.lua"), include_str!($file))
    };
}

/// All of them.
pub const TEXTS: [&str; 5] = [
    text!("scripts/append.lua"),
    text!("scripts/look.lua"),
    text!("scripts/renew.lua"),
    text!("scripts/bury.lua"),
    text!("scripts/turn.lua"),
];

impl Script {
    /// Where its digest is.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its text.
    pub fn text(self) -> &'static str {
        TEXTS[self.index()]
    }
}
