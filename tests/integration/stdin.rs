//! `cat events.ndjson | turted serve --set connectors.in.type=stdin`, with the real standard input.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::harness::server::turted;
use crate::harness::{Server, json, payloads, to_channel, until_state};

const STDIN: &str = "connectors.in.type = \"stdin\"";

#[tokio::test(flavor = "multi_thread")]
async fn lines_become_events_and_the_end_of_the_input_is_not_the_end_of_the_server() {
    let (server, mut input) = Server::piped(STDIN);
    let mut client = server.member(&["chat"]).await;
    for number in 1..=100 {
        writeln!(input, "{}", to_channel("chat", "E", json!(number))).unwrap();
    }
    writeln!(input, "this is no JSON\n\n{}", "x".repeat(100_000)).unwrap();
    write!(input, "{}", to_channel("chat", "E", json!("last"))).unwrap();
    drop(input);
    let expected: Vec<_> = (1..=100).map(|number| json!(number)).chain([json!("last")]).collect();
    assert_eq!(payloads(&client.events(101).await), expected);
    let stopped = until_state(&server.address, "in", "stopped").await;
    assert_eq!((&stopped["events"], &stopped["refused"]), (&json!(101), &json!(2)));
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_input_stays_open_stops_in_time() {
    let (server, input) = Server::piped(STDIN);
    until_state(&server.address, "in", "running").await;
    server.terminate();
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    drop(input);
}

#[test]
fn an_input_has_one_reader_and_a_second_one_is_found_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[connectors.in]\ntype = \"stdin\"\n[connectors.second]\ntype = \"stdin\"\n";
    std::fs::write(folder.path().join("turted.toml"), text).unwrap();
    for command in ["check", "serve"] {
        let output = turted(folder.path()).arg(command).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let why = "connectors.second.type: standard input is used by connectors.in as well";
        assert!(
            output.status.code() == Some(2) && said.contains(why),
            "{command}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_may_wait_for_an_audience() {
    let begun = Instant::now();
    let wait = Duration::from_secs(8);
    let (server, mut input) = Server::piped(&format!("{STDIN}\nconnectors.in.start_after = \"8s\""));
    writeln!(input, "{}", to_channel("chat", "E", json!(1))).unwrap();
    let mut client = server.member(&["chat"]).await;
    assert!(begun.elapsed() < wait, "the machine is too slow for this story");
    until_state(&server.address, "in", "starting").await;
    assert_eq!(payloads(&client.events(1).await), [json!(1)]);
    assert!(begun.elapsed() >= wait, "{:?}", begun.elapsed());
    // Who waits does not keep the server from stopping.
    let (server, _input) = Server::piped(&format!("{STDIN}\nconnectors.in.start_after = \"1h\""));
    until_state(&server.address, "in", "starting").await;
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
}

#[test]
fn mistakes_in_a_mapping_are_shown_together_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[connectors.in]\ntype = \"stdin\"\n[connectors.in.envelope]\nevent = \"{host}\"\nusers = \"{json.user}\"\nid = \"{id}\"\n";
    std::fs::write(folder.path().join("turted.toml"), text).unwrap();
    let output = turted(folder.path()).arg("check").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for line in [
        "turted.toml:4:1: connectors.in.envelope.event: names {host}, which this source does not have",
        "turted.toml:6:1: connectors.in.envelope.id: names {id}, which this source does not have",
    ] {
        assert!(said.contains(line), "{said}");
    }
}
