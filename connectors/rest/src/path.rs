//! Convenience URLs: the target and the event in the path, the payload as the whole body.
//!
//! In: what follows the prefix. Out: a target and an event, or `None` for the path of a normal push.
//! Refuses to know: bodies and credentials.
//!
//! Every path below the prefix takes normal pushes, as in the original, except exactly these shapes:
//! `user/<name>/<event>`, `channel/<name>/<event>` and `all/<event>`. Slashes within a name are written `%2F`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use turted_core::envelope::nearest;
use turted_core::{ChannelName, EventName, Limits, NameError, Target, UserName};

use crate::answer::Failure;

/// A path that says everything but the payload, its names not yet checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direct<'a> {
    /// `user/<name>/<event>`
    User(&'a str, &'a str),
    /// `channel/<name>/<event>`
    Channel(&'a str, &'a str),
    /// `all/<event>`
    All(&'a str),
}

impl<'a> Direct<'a> {
    /// Recognises one of the three shapes in `below`, the still encoded path behind the prefix.
    pub(crate) fn recognise(below: &'a str) -> Option<Self> {
        let mut segments = below.split('/');
        let shape = match (segments.next()?, segments.next()?, segments.next()) {
            ("user", name, Some(event)) => Self::User(name, event),
            ("channel", name, Some(event)) => Self::Channel(name, event),
            ("all", event, None) => Self::All(event),
            _ => return None,
        };
        segments.next().is_none().then_some(shape)
    }

    /// The shape that was probably meant by a path which is none of the three: `users/adam/HI`.
    pub(crate) fn meant(below: &str) -> Option<&'static str> {
        let (first, rest) = below.split_once('/')?;
        let is_name_and_event = rest.split('/').count() == 2;
        match nearest(first, &["user", "channel", "all"])? {
            "user" if is_name_and_event => Some("user/NAME/EVENT"),
            "channel" if is_name_and_event => Some("channel/NAME/EVENT"),
            "all" if !rest.contains('/') => Some("all/EVENT"),
            _ => None,
        }
    }

    /// Decodes and checks the names.
    ///
    /// # Errors
    /// Which part of the path is wrong, and why.
    pub(crate) fn names(self, limits: &Limits) -> Result<(Target, EventName), Failure> {
        let (target, event) = match self {
            Self::User(name, event) => {
                let user = name_in("bad_target", "user", name, |text| UserName::parse(text, limits))?;
                (Target::User(user), event)
            }
            Self::Channel(name, event) => {
                let channel = name_in("bad_target", "channel", name, |text| ChannelName::parse(text, limits))?;
                (Target::Channel(channel), event)
            }
            Self::All(event) => (Target::Everybody, event),
        };
        let event = name_in("bad_event", "event", event, |text| EventName::parse(text, limits))?;
        Ok((target, event))
    }
}

fn name_in<T>(
    code: &'static str,
    part: &str,
    encoded: &str,
    parse: impl Fn(&str) -> Result<T, NameError>,
) -> Result<T, Failure> {
    let bad = |why: &str| Failure::bad_request(code, format!("the {part} name in the path {why}"));
    let text: Cow<'_, str> = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| bad("is not UTF-8"))?;
    parse(&text).map_err(|error| bad(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_nearly_one_of_the_shapes_is_told_which() {
        for (below, meant) in [
            ("users/adam/HI", Some("user/NAME/EVENT")),
            ("Channels/a/HI", Some("channel/NAME/EVENT")),
            ("al/HI", Some("all/EVENT")),
            ("users/adam", None),
            ("shop/orders/new", None),
            ("", None),
        ] {
            assert_eq!(Direct::meant(below), meant, "{below}");
        }
    }

    #[test]
    fn only_exactly_three_shapes_are_convenience_urls() {
        assert_eq!(Direct::recognise("user/adam/HI"), Some(Direct::User("adam", "HI")));
        assert_eq!(
            Direct::recognise("channel/a%2Fb/HI"),
            Some(Direct::Channel("a%2Fb", "HI"))
        );
        assert_eq!(Direct::recognise("all/HI"), Some(Direct::All("HI")));
        assert_eq!(Direct::recognise("all/"), Some(Direct::All("")));
        for normal in [
            "",
            "/",
            "user",
            "user/",
            "user/adam",
            "user/adam/HI/",
            "user/a/b/c",
            "User/adam/HI",
            "%75ser/adam/HI",
            "/user/adam/HI",
            "all",
            "all/a/b",
            "shop/orders/new",
        ] {
            assert_eq!(Direct::recognise(normal), None, "{normal}");
        }
    }
}
