//! A page that speaks SockJS over requests.
//!
//! In: a kind of response and a session. Out: frames without what the transport wraps around them, and messages. It
//! takes the wrapping literally: a byte too many is a failure.

use std::collections::VecDeque;

use super::http::Request;
use super::server::Server;
use super::stream::Stream;
use super::{Value, json};

/// One session.
pub struct Page<'a> {
    server: &'a Server,
    base: String,
    action: &'static str,
    stream: Option<Stream>,
    messages: VecDeque<String>,
}

/// Every kind of response.
pub const ACTIONS: [&str; 5] = ["xhr", "xhr_streaming", "eventsource", "htmlfile", "jsonp"];

impl<'a> Page<'a> {
    /// Opens a session below `service`.
    pub async fn open(server: &'a Server, service: &str, session: &str, action: &'static str) -> Self {
        let mut page = Self::new(server, service, session, action);
        assert_eq!(page.frame().await, "o", "{action}");
        page
    }

    /// The same without a first frame.
    pub fn new(server: &'a Server, service: &str, session: &str, action: &'static str) -> Self {
        Self {
            server,
            base: format!("{service}/000/{session}"),
            action,
            stream: None,
            messages: VecDeque::new(),
        }
    }

    /// A receiving request.
    pub fn request(&self) -> Request {
        let (base, action) = (&self.base, self.action);
        match action {
            "xhr" | "xhr_streaming" => Request::post(&format!("{base}/{action}"), ""),
            _ => Request::new("GET", &format!("{base}/{action}?c=page.hear")),
        }
    }

    /// The next frame.
    pub async fn frame(&mut self) -> String {
        if matches!(self.action, "xhr" | "jsonp") {
            let body = self.server.ask(self.request()).await.text();
            return self.unwrap(&body);
        }
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.begin().await,
        };
        let end = match self.action {
            "xhr_streaming" => "\n",
            "eventsource" => "\r\n\r\n",
            _ => "</script>\r\n",
        };
        let wrapped = stream.until(end).await;
        self.stream = Some(stream);
        self.unwrap(&wrapped)
    }

    /// Opens a streaming response and reads what comes before the frames.
    async fn begin(&self) -> Stream {
        let mut stream = Stream::open(self.server, self.request()).await;
        assert_eq!(stream.status(), 200);
        match self.action {
            "xhr_streaming" => assert_eq!(stream.until("\n").await, format!("{}\n", "h".repeat(2048))),
            "eventsource" => assert_eq!(stream.until("\r\n").await, "\r\n"),
            _ => {
                let head = stream.until("\r\n\r\n").await;
                assert!(
                    head.len() > 1024 && head.contains("var c = parent.page.hear;"),
                    "{head}"
                );
            }
        }
        stream
    }

    fn unwrap(&self, wrapped: &str) -> String {
        let (before, after, is_script) = match self.action {
            "xhr" | "xhr_streaming" => ("", "\n", false),
            "eventsource" => ("data: ", "\r\n\r\n", false),
            "htmlfile" => ("<script>\np(", ");\n</script>\r\n", true),
            _ => ("/**/page.hear(", ");\r\n", true),
        };
        let inner = wrapped.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        let inner = inner.unwrap_or_else(|| panic!("{}: {wrapped:?}", self.action));
        if is_script {
            assert!(!inner.contains(['<', '\u{2028}', '\u{2029}']), "{inner}");
            return serde_json::from_str(inner).unwrap_or_else(|error| panic!("{error}: {inner}"));
        }
        assert!(!inner.contains(['\r', '\n']), "{inner}");
        match self.action {
            "eventsource" => inner.replace("%25", "%"),
            _ => inner.to_owned(),
        }
    }

    /// The next message.
    pub async fn message(&mut self) -> Value {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return serde_json::from_str(&message).unwrap_or_else(|error| panic!("{error}: {message}"));
            }
            let frame = self.frame().await;
            let array = frame
                .strip_prefix('a')
                .unwrap_or_else(|| panic!("no messages: {frame}"));
            self.messages
                .extend(serde_json::from_str::<Vec<String>>(array).expect("strings"));
        }
    }

    /// Says something in the dialect of TURTED 1; gives the status.
    pub async fn say(&self, kind: &str, data: Value) -> u16 {
        let messages = json!([json!({"type": kind, "data": data}).to_string()]).to_string();
        let request = if self.action == "jsonp" {
            let field: String = messages.bytes().map(|byte| format!("%{byte:02X}")).collect();
            Request::post(&format!("{}/jsonp_send", self.base), format!("d={field}"))
                .header("Content-Type", "application/x-www-form-urlencoded")
        } else {
            Request::post(&format!("{}/xhr_send", self.base), messages)
        };
        self.server.ask(request).await.status
    }
}
