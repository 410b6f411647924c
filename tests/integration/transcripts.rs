//! Plays the golden conversations of `tests/transcripts` through a real socket.

use crate::harness::backend::{Backend, answer};
use crate::harness::{Request, Server, Value};

/// Random parts become words, as in the transcripts.
fn settle(text: &str) -> String {
    let mut text = text.to_owned();
    // An echo may hold what a strict reader refuses, such as half a surrogate pair; nothing in it is random.
    let Ok(message) = serde_json::from_str::<Value>(&text) else {
        return text;
    };
    let data = &message["data"];
    for (member, word) in [("connection", "CONNECTION"), ("resume", "TOKEN")] {
        if let Some(random) = data[member].as_str() {
            text = text.replace(random, word);
        }
    }
    if let Some(connection) = data["from"]["connection"].as_str() {
        text = text.replace(connection, "CONNECTION");
    }
    if let Some((epoch, _)) = data["id"].as_str().and_then(|id| id.rsplit_once('-')) {
        text = text.replace(&format!("\"id\":\"{epoch}-"), "\"id\":\"EPOCH-");
    }
    text
}

/// What only the bare protocol can be told to do.
const BARE: [&str; 3] = ["left ", "expiring ", "end "];
/// The channels of the stories. Reasons are for those only who could be nobody but the developer.
const SETTINGS: &str = r#"
server.origins = ["https://example.org"]
auth.clients = { type = "accept_all", anywhere = true }
auth.backends = { type = "accept_all", anywhere = true }
may.anyone = { join = ["chat", "__proto__", "constructor"], publish = ["chat"], call = ["orders", "nobody"] }
responders.orders = { type = "http", secret = "hush-hush-hush-hush", url = "URL" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_golden_conversation_holds_through_a_socket() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/native");
    let echo = Backend::start(|asked| answer(200, &asked.raw("params")));
    let settings = SETTINGS.replace("URL", &echo.url);
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let story = std::fs::read_to_string(&path).unwrap();
        if story.lines().any(|line| BARE.iter().any(|word| line.starts_with(word))) {
            continue;
        }
        // A server of its own, since ids count from 1.
        let server = Server::with(&settings);
        let mut client = server.client().await;
        for (number, line) in story.lines().enumerate() {
            let at = format!("{}:{}", path.display(), number + 1);
            match line.split_once(' ') {
                Some(("C:", text)) => client.text(text).await,
                Some(("push", body)) => {
                    server.ask(Request::new("POST", "/push/").body(body)).await;
                }
                Some(("S:", text)) if text.contains("WELCOME") => {
                    let expected: Value = serde_json::from_str(text).unwrap();
                    let here = |member| client.welcome[member] == expected["data"][member];
                    assert!(here("window") && here("ping") && here("server"), "{at}");
                }
                Some(("S:", text)) => assert_eq!(settle(&client.next_text().await), text, "{at}"),
                Some(("close", code)) => {
                    let closed = client.until_closed().await.1.map(|code| code.to_string());
                    assert_eq!(closed.as_deref(), Some(code), "{at}");
                }
                _ => assert!(line.is_empty() || line.starts_with('#'), "{at}: {line}"),
            }
        }
        played += 1;
    }
    assert!(played >= 5);
}
