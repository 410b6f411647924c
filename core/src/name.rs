//! Names of users, channels and events.
//!
//! In: text from outside. Out: a `UserName`, `ChannelName` or `EventName`, which has been checked once and
//! is trusted from then on. Cloning one is a reference count, not a copy.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::limits::Limits;

/// Why a text is not a name. The text fits "the channel name {error}".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No name at all.
    #[error("must not be empty")]
    Empty,
    /// Longer than [`Limits::name_bytes`].
    #[error("is {found} bytes long, allowed are {allowed}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        allowed: usize,
    },
    /// Holds a line break, a NUL or another control character (Unicode category Cc).
    #[error("must not contain control characters")]
    Control,
}

fn check(text: &str, limits: &Limits) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > limits.name_bytes {
        return Err(NameError::TooLong {
            found: text.len(),
            allowed: limits.name_bytes,
        });
    }
    // CWE-93: a line break in a name would forge lines in event streams and logs.
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text`: 1 to [`Limits::name_bytes`] bytes, no control characters.
            ///
            /// # Errors
            /// The first rule that the text breaks.
            pub fn parse(text: &str, limits: &Limits) -> Result<Self, NameError> {
                check(text, limits).map(|()| Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

name! {
    /// A user, as the authenticator confirmed it. One user may hold many connections.
    UserName
}
name! {
    /// A channel. It exists while somebody is in it.
    ChannelName
}
name! {
    /// What happened, e.g. `MESSAGE:NEW`.
    EventName
}

impl EventName {
    /// The event of a push that names none: the original dispatches it under the empty name.
    #[must_use]
    pub fn unnamed() -> Self {
        Self("".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_visible_text() {
        let limits = Limits::default();
        let refused = |text: &str| ChannelName::parse(text, &limits).unwrap_err();
        assert!(ChannelName::parse("chat", &limits).is_ok());
        assert!(ChannelName::parse("__proto__", &limits).is_ok());
        assert!(ChannelName::parse("Grüße 😀", &limits).is_ok());
        assert!(ChannelName::parse(&"x".repeat(200), &limits).is_ok());
        assert_eq!(refused(""), NameError::Empty);
        assert_eq!(refused("a\nb"), NameError::Control);
        assert_eq!(refused("a\u{85}b"), NameError::Control);
        assert_eq!(
            refused(&"x".repeat(201)),
            NameError::TooLong {
                found: 201,
                allowed: 200
            }
        );
    }
}
