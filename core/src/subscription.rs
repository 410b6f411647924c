//! What a client hears: one channel, or every channel that a pattern matches.
//!
//! In: checked names, and patterns as a dialect's clients write them. Out: a [`Subscription`], and whether a channel
//! belongs to it. Who may have one is said in [`may`](crate::may).

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::limits::Limits;
use crate::may::{Names, RESERVED};
use crate::name::{ChannelName, NameError};

/// What a client hears. Cloning one is a reference count.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subscription {
    /// One channel.
    Channel(ChannelName),
    /// Every channel that matches.
    Pattern(ChannelPattern),
}

impl Subscription {
    /// The name, or the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Channel(name) => name.as_str(),
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }

    /// Whether whoever has it hears this channel.
    #[must_use]
    pub fn has(&self, channel: &ChannelName) -> bool {
        match self {
            Self::Channel(name) => name == channel,
            Self::Pattern(pattern) => pattern.matches(channel.as_str()),
        }
    }

    /// The names that somebody needs to be granted who wants it.
    #[must_use]
    pub fn names(&self) -> Names<'_> {
        match self {
            Self::Channel(name) => Names::One(name.as_str()),
            Self::Pattern(pattern) => Names::Below(pattern.prefix()),
        }
    }
}

impl From<ChannelName> for Subscription {
    fn from(name: ChannelName) -> Self {
        Self::Channel(name)
    }
}

impl PartialEq<ChannelName> for Subscription {
    fn eq(&self, name: &ChannelName) -> bool {
        matches!(self, Self::Channel(channel) if channel == name)
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Subscription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// `chat/*`: channels that begin with `chat/` and have one more part, without a `/`. `chat/**`: everything that begins
/// so and is longer. What stands before is literal, and the server's own channels match no pattern.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelPattern(Arc<str>);

/// How far down a pattern reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    /// `*`: one part.
    Part,
    /// `**`: everything.
    All,
}

impl ChannelPattern {
    /// Every channel below `prefix`. It is as long as a name may be, with its stars.
    ///
    /// # Errors
    /// The first rule for names that it breaks.
    pub fn below(prefix: &str, depth: Depth, limits: &Limits) -> Result<Self, NameError> {
        let stars = match depth {
            Depth::Part => "*",
            Depth::All => "**",
        };
        let text = format!("{prefix}{stars}");
        ChannelName::parse(&text, limits).map(|_| Self(text.into()))
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What every channel that matches begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.parts().0
    }

    /// How far down it reaches.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.parts().1
    }

    /// Whether a channel of this name belongs to it.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (prefix, depth) = self.parts();
        name.strip_prefix(prefix).is_some_and(|rest| depth.reaches(rest)) && !name.starts_with(RESERVED)
    }

    fn parts(&self) -> (&str, Depth) {
        match self.0.strip_suffix("**") {
            Some(prefix) => (prefix, Depth::All),
            None => (self.0.strip_suffix('*').unwrap_or(&self.0), Depth::Part),
        }
    }
}

impl Depth {
    /// Whether it reaches so far below a prefix.
    #[must_use]
    pub fn reaches(self, rest: &str) -> bool {
        !rest.is_empty() && (self == Self::All || !rest.contains('/'))
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(prefix: &str, depth: Depth) -> ChannelPattern {
        ChannelPattern::below(prefix, depth, &Limits::default()).unwrap()
    }

    #[test]
    fn stars_stand_for_what_is_below() {
        let (part, all) = (pattern("foo/", Depth::Part), pattern("foo/", Depth::All));
        assert_eq!((part.as_str(), all.as_str()), ("foo/*", "foo/**"));
        assert_eq!((part.prefix(), part.depth()), ("foo/", Depth::Part));
        assert_eq!((all.prefix(), all.depth()), ("foo/", Depth::All));
        for (name, is_part, is_all) in [
            ("foo/a", true, true),
            ("foo/a.b:c", true, true),
            ("foo/a/b", false, true),
            ("foo/a/", false, true),
            ("foo/", false, false),
            ("foo", false, false),
            ("Foo/a", false, false),
            ("xfoo/a", false, false),
        ] {
            assert_eq!((part.matches(name), all.matches(name)), (is_part, is_all), "{name}");
        }
        let everything = pattern("", Depth::All);
        assert!(everything.matches("a") && everything.matches("a/b"));
        assert!(!everything.matches("turted:a"), "the server's own");
        assert!(pattern("", Depth::Part).matches("a") && !pattern("", Depth::Part).matches("a/b"));
    }

    #[test]
    fn a_star_in_front_is_itself() {
        let odd = pattern("a*", Depth::Part);
        assert_eq!(odd.as_str(), "a**");
        // As it was written it reaches further: the stars at the end belong together.
        assert_eq!((odd.prefix(), odd.depth()), ("a", Depth::All));
        assert!(pattern("a*b/", Depth::Part).matches("a*b/c"));
        assert!(!pattern("a*b/", Depth::Part).matches("axb/c"));
    }

    #[test]
    fn it_is_no_longer_than_a_name() {
        let limits = Limits::default();
        let long = |bytes: usize| ChannelPattern::below(&"x".repeat(bytes), Depth::All, &limits);
        assert!(long(198).is_ok());
        assert!(long(199).is_err());
        assert!(ChannelPattern::below("a\n", Depth::All, &limits).is_err());
    }

    #[test]
    fn a_subscription_is_one_channel_or_many() {
        let name = |text: &str| ChannelName::parse(text, &Limits::default()).unwrap();
        let one = Subscription::from(name("foo/a"));
        assert!(one.has(&name("foo/a")) && !one.has(&name("foo/b")));
        assert_eq!(one, name("foo/a"));
        assert_eq!(one.names(), Names::One("foo/a"));
        let many = Subscription::Pattern(pattern("foo/", Depth::Part));
        assert!(many.has(&name("foo/a")) && many.has(&name("foo/b")) && !many.has(&name("bar")));
        assert!(many != name("foo/*"), "a channel may be called so");
        assert_eq!(many.names(), Names::Below("foo/"));
        assert_eq!(serde_json::to_string(&many).unwrap(), r#""foo/*""#);
        assert_eq!(format!("{many} {many:?}"), r#"foo/* "foo/*""#);
    }
}
