//! Lines over TCP reach clients, and an address beyond this machine asks for a guard.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::harness::server::turted;
use crate::harness::{Server, json, payloads, to_channel, until_state, within};

/// A port where nobody listens.
fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn settings(host: &str, port: u16, more: &str) -> String {
    format!("connectors.in.type = \"tcp\"\nconnectors.in.address = \"{host}:{port}\"\n{more}")
}

async fn peer(port: u16) -> BufReader<TcpStream> {
    let wire = within("a TCP connection", TcpStream::connect(("127.0.0.1", port))).await;
    BufReader::new(wire.expect("the connector listens"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_reaches_its_channel_and_is_answered() {
    let port = free();
    let server = Server::with(&settings("127.0.0.1", port, "connectors.in.answers = true"));
    until_state(&server.address, "in", "running").await;
    let mut client = server.member(&["chat"]).await;
    let mut peer = peer(port).await;
    for number in 1..=50 {
        let line = format!("{}\n", to_channel("chat", "E", json!(number)));
        peer.get_mut().write_all(line.as_bytes()).await.unwrap();
    }
    let expected: Vec<_> = (1..=50).map(|number| json!(number)).collect();
    assert_eq!(payloads(&client.events(50).await), expected);
    for _ in 1..=50 {
        let mut answer = String::new();
        within("an answer", peer.read_line(&mut answer)).await.unwrap();
        assert_eq!(answer, "{\"ok\":true}\n");
    }
    server.terminate();
    let mut told = String::new();
    within("the end", peer.read_to_string(&mut told)).await.unwrap();
    assert!(told.contains("shutting_down"), "{told}");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_lines_say_where_events_come_in() {
    let port = free();
    let server = Server::with(&settings(
        "127.0.0.1",
        port,
        "connectors.rest.path = \"/from/backends/\"",
    ));
    let expected = [
        format!("POST {}/from/backends/ ", server.url()),
        format!("tcp 127.0.0.1:{port} "),
    ];
    let said = async {
        while !expected.iter().all(|place| server.log().contains(place)) {
            tokio::task::yield_now().await;
        }
    };
    within("the first lines", said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_prove_themselves_in_their_first_line() {
    let port = free();
    let password = "auth.backends.type = \"password\"\nauth.backends.password = \"sesame\"";
    let server = Server::with(&settings("0.0.0.0", port, password));
    until_state(&server.address, "in", "running").await;
    let mut client = server.member(&["chat"]).await;
    for (credentials, number) in [("Bearer swordfish", 1), ("{\"password\":\"sesame\"}", 2)] {
        let mut peer = peer(port).await;
        let lines = format!("{credentials}\n{}\n", to_channel("chat", "E", json!(number)));
        peer.get_mut().write_all(lines.as_bytes()).await.unwrap();
        peer.get_mut().shutdown().await.unwrap();
        let mut told = String::new();
        within("the end", peer.read_to_string(&mut told)).await.unwrap();
        assert_eq!(told.starts_with("credentials were not accepted"), number == 1, "{told}");
    }
    assert_eq!(payloads(&client.events(1).await), [json!(2)]);
    assert!(!server.log().contains("sesame") && !server.log().contains("swordfish"));
}

#[test]
fn an_address_for_strangers_needs_somebody_who_guards_it() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["serve", "check"] {
        let text = "[connectors.in]\ntype = \"tcp\"\naddress = \"0.0.0.0:7118\"\n";
        std::fs::write(folder.path().join("turted.toml"), text).unwrap();
        let output = turted(folder.path()).arg(command).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let expected = "turted.toml:3:1: connectors.in.address: 0.0.0.0:7118 is more than this machine";
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_tried_again_until_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let server = Server::with(&settings("127.0.0.1", port, ""));
    let shown = until_state(&server.address, "in", "retrying").await;
    assert!(
        !shown.to_string().contains("cannot listen"),
        "the reason is not for everybody: {shown}"
    );
    assert!(
        server
            .log()
            .contains(&format!("connector in failed: cannot listen on 127.0.0.1:{port}: "))
    );
    drop(taken);
    until_state(&server.address, "in", "running").await;
}
