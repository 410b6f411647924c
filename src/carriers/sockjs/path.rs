//! The URLs of a SockJS service (protocol 0.3.3, "Session URLs").
//!
//! In: what comes after the prefix, not decoded. Out: what is meant, and the methods that are answered there.

/// What a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path<'a> {
    /// The service itself.
    Greeting,
    /// What the server can do.
    Info,
    /// The page for iframes.
    Iframe,
    /// A WebSocket without framing.
    RawSocket,
    /// Something about one session.
    Session(&'a str, Action),
}

/// What is wanted of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Carry it over a WebSocket.
    WebSocket,
    /// Wait for a frame.
    Xhr,
    /// Stream frames as lines.
    XhrStreaming,
    /// Stream frames as server-sent events.
    EventSource,
    /// Stream frames as script elements.
    HtmlFile,
    /// Wait for a frame as a script.
    Jsonp,
    /// Say something.
    XhrSend,
    /// Say something with a form.
    JsonpSend,
}

impl<'a> Path<'a> {
    /// Reads the part after the prefix; one slash at the end is allowed.
    #[must_use]
    pub fn parse(rest: &'a str) -> Option<Self> {
        let Some(inner) = rest.strip_prefix('/') else {
            return rest.is_empty().then_some(Self::Greeting);
        };
        if inner.is_empty() {
            return Some(Self::Greeting);
        }
        let parts: Vec<&str> = inner.strip_suffix('/').unwrap_or(inner).split('/').take(4).collect();
        match parts[..] {
            ["info"] => Some(Self::Info),
            ["websocket"] => Some(Self::RawSocket),
            [page] if is_iframe(page) => Some(Self::Iframe),
            [server, session, action] if is_id(server) && is_id(session) => {
                Action::parse(action).map(|action| Self::Session(session, action))
            }
            _ => None,
        }
    }

    /// The methods, as in `Allow`.
    #[must_use]
    pub fn methods(self) -> &'static str {
        match self {
            Self::Info => "GET, OPTIONS",
            Self::Session(_, Action::Xhr | Action::XhrStreaming | Action::XhrSend) => "POST, OPTIONS",
            Self::Session(_, Action::JsonpSend) => "POST",
            _ => "GET",
        }
    }
}

impl Action {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "websocket" => Self::WebSocket,
            "xhr" => Self::Xhr,
            "xhr_streaming" => Self::XhrStreaming,
            "eventsource" => Self::EventSource,
            "htmlfile" => Self::HtmlFile,
            "jsonp" => Self::Jsonp,
            "xhr_send" => Self::XhrSend,
            "jsonp_send" => Self::JsonpSend,
            _ => return None,
        })
    }
}

/// Longest name of a server or a session; clients use three and eight characters, suites a UUID.
const ID: usize = 128;

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID && !text.contains('.')
}

fn is_iframe(page: &str) -> bool {
    let version = page.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"));
    let allowed = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || matches!(c, '-' | '.' | '_');
    version.is_some_and(|version| version.is_empty() || (version.starts_with('-') && version.chars().all(allowed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_protocol_says() {
        for (rest, expected) in [
            ("", Path::Greeting),
            ("/", Path::Greeting),
            ("/info", Path::Info),
            ("/info/", Path::Info),
            ("/iframe.html", Path::Iframe),
            ("/iframe-0.3.4-dev.min.html", Path::Iframe),
            ("/websocket", Path::RawSocket),
            ("/a/b/xhr", Path::Session("b", Action::Xhr)),
            ("/000/%2e/jsonp_send/", Path::Session("%2e", Action::JsonpSend)),
        ] {
            assert_eq!(Path::parse(rest), Some(expected), "{rest}");
        }
        for rest in [
            "//",
            "///",
            "/a",
            "/a/a",
            "/a/a/",
            "/a./a/xhr",
            "/a/a./xhr",
            "//a/xhr",
            "//xhr",
            "/a//xhr",
            "/iframe.htm",
            "/iframe",
            "/IFRAME.HTML",
            "/IFRAME",
            "/iframe.HTML",
            "/iframe.xml",
            "/iframe-/.html",
            "/iframe-A.html",
            "/a/b/c",
            "/a/b/xhr/x",
            "x",
        ] {
            assert_eq!(Path::parse(rest), None, "{rest}");
        }
    }
}
