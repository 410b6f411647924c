//! A backend that is asked: what an application has behind `callback` and `[may.ask]`.
//!
//! In: questions over HTTP. Out: whatever the test answers, byte for byte; and what was asked, with its signature.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::value::RawValue;
use sha2::Sha256;

use super::{PATIENCE, Value, json};

/// One question.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// What was asked.
    pub body: Value,
    text: String,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// A member of what was asked, byte for byte.
    pub fn raw(&self, member: &str) -> String {
        let members: std::collections::BTreeMap<String, Box<RawValue>> = serde_json::from_str(&self.text).unwrap();
        members[member].get().to_owned()
    }

    /// Whether one of its signatures is that of this secret.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(format!("{id}.{at}.{}", self.text).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').any(|one| one == expected)
    }
}

/// A backend on a free port.
pub struct Backend {
    /// Where it is asked.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// 200 with this body.
pub fn ok(body: &Value) -> Vec<u8> {
    answer(200, &body.to_string())
}

/// This status with this body.
pub fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Fine\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

impl Backend {
    /// Answers each question with the bytes that `reply` gives; an empty answer is none, ever.
    pub fn start(reply: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/turted", listener.local_addr().unwrap());
        let (asked, reply) = (Arc::new(Mutex::new(Vec::new())), Arc::new(reply));
        let known = Arc::clone(&asked);
        std::thread::spawn(move || {
            for wire in listener.incoming().map_while(Result::ok) {
                let (known, reply) = (Arc::clone(&known), Arc::clone(&reply));
                std::thread::spawn(move || serve(wire, &known, &*reply));
            }
        });
        Self { url, asked }
    }

    /// Answers each question with 200 and this.
    pub fn saying(body: Value) -> Self {
        Self::start(move |_| ok(&body))
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How many questions there were so far.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Waits until so many questions came.
    pub async fn until_asked(&self, count: usize) -> Vec<Asked> {
        let deadline = std::time::Instant::now() + PATIENCE;
        while self.asked().len() < count {
            assert!(std::time::Instant::now() < deadline, "{count} questions");
            tokio::time::sleep(PATIENCE / 1000).await;
        }
        self.asked()
    }
}

fn serve(mut wire: TcpStream, known: &Mutex<Vec<Asked>>, reply: &dyn Fn(&Asked) -> Vec<u8>) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let (head, text) = loop {
        let Ok(read) = wire.read(&mut piece) else { return };
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break (head.to_owned(), body.to_owned());
            }
        }
        if read == 0 {
            return;
        }
    };
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let asked = Asked {
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: serde_json::from_str(&text).unwrap_or(json!(null)),
        text,
    };
    known.lock().unwrap().push(asked.clone());
    match reply(&asked) {
        // Until whoever asked gives up.
        silence if silence.is_empty() => while wire.read(&mut piece).is_ok_and(|read| read > 0) {},
        answer => drop(wire.write_all(&answer)),
    }
}
