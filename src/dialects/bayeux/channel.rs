//! Channels as Bayeux writes them, and what they are here.
//!
//! In: `/chat/room1`, `/chat/*`, `/service/echo`. Out: channels, patterns, names of services; for an event the channel
//! on which its client hears it. The one place that knows the template of the configuration.

use turted_core::subscription::{ChannelPattern, Depth};
use turted_core::{ChannelName, Limits, Subscription, Target};

/// What begins so is said between client and server, and nobody else's.
const META: &str = "/meta/";
/// What begins so is for one client or for the server.
const SERVICE: &str = "/service/";

/// What a channel of a client means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel<'a> {
    /// A word between client and server.
    Meta,
    /// A service of this name, perhaps with stars: nobody hears what is said there.
    Service(&'a str),
    /// What others hear as well.
    Broadcast(Subscription),
}

/// It is none: no slash in front, nothing behind it, stars within, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

/// How channels are called on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What a channel is called here, but for its path, which comes last.
    pub prefix: String,
    /// Where a client hears what is for its user.
    pub user: String,
    /// Where it hears what is for everybody.
    pub everybody: String,
    /// Where it hears what reached it by a channel that has no name of its own in Bayeux.
    pub channel: String,
    /// Whether only names count that the specification allows. The clients of Faye throw when they hear any other, and
    /// those of CometD have more.
    pub is_strict: bool,
}

/// Whether the specification allows it: letters, digits and some signs (Bayeux 1.0, "channel names").
fn is_plain(path: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_!~()$@".contains(&b);
    path.split('/')
        .all(|part| !part.is_empty() && part.bytes().all(is_allowed))
}

impl Names {
    /// What a client means.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn read<'a>(&self, channel: &'a str, limits: &Limits) -> Result<Channel<'a>, Invalid> {
        let path = channel.strip_prefix('/').ok_or(Invalid)?;
        let (above, last) = path.rsplit_once('/').map_or(("", path), |(above, last)| (above, last));
        let is_star = |part: &str| matches!(part, "*" | "**");
        if path.split('/').any(str::is_empty) || above.split('/').any(is_star) {
            return Err(Invalid);
        }
        if channel.starts_with(META) {
            return Ok(Channel::Meta);
        }
        if let Some(name) = channel.strip_prefix(SERVICE) {
            return Ok(Channel::Service(name));
        }
        let depth = match last {
            "*" => Depth::Part,
            "**" => Depth::All,
            _ if self.is_strict && !is_plain(path) => return Err(Invalid),
            _ => {
                let name = ChannelName::parse(&format!("{}{path}", self.prefix), limits);
                return name.map(|name| Channel::Broadcast(name.into())).map_err(|_| Invalid);
            }
        };
        if self.is_strict && !above.is_empty() && !is_plain(above) {
            return Err(Invalid);
        }
        let slash = if above.is_empty() { "" } else { "/" };
        let pattern = ChannelPattern::below(&format!("{}{above}{slash}", self.prefix), depth, limits);
        pattern
            .map(|pattern| Channel::Broadcast(Subscription::Pattern(pattern)))
            .map_err(|_| Invalid)
    }

    /// What a channel or a pattern of ours is called by clients.
    #[must_use]
    pub fn shown(&self, name: &str) -> String {
        format!("/{}", name.strip_prefix(self.prefix.as_str()).unwrap_or(name))
    }

    /// Where a client hears what reached it so. A channel cannot be called as what only the server says: whoever may
    /// speak there could make clients believe anything (CWE-290).
    #[must_use]
    pub fn of(&self, via: &Target) -> String {
        match via {
            Target::User(_) => self.user.clone(),
            Target::Everybody => self.everybody.clone(),
            Target::Channel(name) => {
                let path = name.as_str().strip_prefix(self.prefix.as_str());
                let channel = path.map(|path| format!("/{path}"));
                let is_free = |channel: &String| {
                    let is_own = channel.starts_with(META) || channel.starts_with(SERVICE);
                    !is_own && !channel[1..].starts_with('/') && (!self.is_strict || is_plain(&channel[1..]))
                };
                channel
                    .filter(|channel| channel.len() > 1 && is_free(channel))
                    .unwrap_or_else(|| self.channel.clone())
            }
        }
    }
}

/// Whether it can be a service channel of the configuration.
#[must_use]
pub fn is_service(channel: &str) -> bool {
    let name = channel.strip_prefix(SERVICE);
    name.is_some_and(|name| !name.is_empty() && !name.contains(['*', '"', '\\']) && !name.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::UserName;

    fn names(prefix: &str) -> Names {
        Names {
            prefix: prefix.into(),
            user: "/service/user".into(),
            everybody: "/service/everybody".into(),
            channel: "/service/channel".into(),
            is_strict: false,
        }
    }

    #[test]
    fn who_takes_no_other_names_hears_and_says_only_what_the_specification_allows() {
        let limits = Limits::default();
        let strict = Names {
            is_strict: true,
            ..names("")
        };
        for channel in ["/a.b", "/a b", "/é", "/a/b*", "/a.b/*", "/a.b/**"] {
            assert_eq!(strict.read(channel, &limits), Err(Invalid), "{channel}");
            assert!(names("").read(channel, &limits).is_ok(), "{channel}");
        }
        for channel in ["/a-_!~()$@/Z9", "/a/*", "/**", "/meta/x", "/service/x"] {
            assert!(strict.read(channel, &limits).is_ok(), "{channel}");
        }
        let channel = |name: &str| Target::Channel(ChannelName::parse(name, &limits).unwrap());
        assert_eq!(strict.of(&channel("org.acme")), "/service/channel");
        assert_eq!(names("").of(&channel("org.acme")), "/org.acme");
        assert_eq!(strict.of(&channel("a/b")), "/a/b");
    }

    fn heard(prefix: &str, channel: &str) -> Option<String> {
        match names(prefix).read(channel, &Limits::default()).ok()? {
            Channel::Broadcast(Subscription::Channel(name)) => Some(name.to_string()),
            Channel::Broadcast(Subscription::Pattern(pattern)) => Some(format!("all of {pattern}")),
            Channel::Service(name) => Some(format!("service {name}")),
            Channel::Meta => Some("meta".into()),
        }
    }

    #[test]
    fn a_path_is_a_channel_and_stars_at_its_end_are_a_pattern() {
        for (channel, expected) in [
            ("/chat", "chat"),
            ("/chat/room1", "chat/room1"),
            ("/a b/!~()$@#+.{}", "a b/!~()$@#+.{}"),
            ("/a/b*", "a/b*"),
            ("/*", "all of *"),
            ("/**", "all of **"),
            ("/chat/*", "all of chat/*"),
            ("/chat/a/**", "all of chat/a/**"),
            ("/meta/connect", "meta"),
            ("/meta/**", "meta"),
            ("/service/echo", "service echo"),
            ("/service/*", "service *"),
            ("/metaphor", "metaphor"),
            ("/meta", "meta"),
        ] {
            assert_eq!(heard("", channel).as_deref(), Some(expected), "{channel}");
        }
        assert_eq!(heard("app:", "/x").as_deref(), Some("app:x"));
        assert_eq!(heard("app/", "/**").as_deref(), Some("all of app/**"));
        let long = format!("/{}", "x".repeat(201));
        for channel in [
            "",
            "foo",
            "/",
            "//",
            "/a//b",
            "/a/",
            "/foo/*/bar",
            "/**/a",
            "/a\n",
            &long,
        ] {
            assert_eq!(heard("", channel), None, "{channel}");
        }
    }

    #[test]
    fn an_event_comes_where_its_client_expects_it_and_never_as_a_word_of_the_server() {
        let limits = Limits::default();
        let channel = |name: &str| Target::Channel(ChannelName::parse(name, &limits).unwrap());
        let plain = names("");
        assert_eq!(plain.of(&channel("chat/room1")), "/chat/room1");
        assert_eq!(plain.of(&Target::Everybody), "/service/everybody");
        assert_eq!(
            plain.of(&Target::User(UserName::parse("adam", &limits).unwrap())),
            "/service/user"
        );
        for forged in ["meta/connect", "meta/handshake", "service/user", "/x"] {
            assert_eq!(plain.of(&channel(forged)), "/service/channel", "{forged}");
        }
        let app = names("app:");
        assert_eq!(app.of(&channel("app:x")), "/x");
        for other in ["x", "app:", "app:meta/connect"] {
            assert_eq!(app.of(&channel(other)), "/service/channel", "{other}");
        }
        assert!(is_service("/service/user") && !is_service("/service/") && !is_service("/user"));
    }
}
