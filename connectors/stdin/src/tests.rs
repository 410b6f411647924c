//! Stories about lines that come in through a pipe, as those of the standard input do.
//!
//! In: bytes written to the pipe. Out: what was dispatched and counted. Refuses to know: the process' own standard
//! input, which a test shares with others; `tests/integration/stdin.rs` of the server has that.

use std::io::{PipeWriter, Write};

use serde_json::json;
use turted_core::testkit::{Recorder, Run, Subject, every_connector, start};
use turted_core::{ConnectorConfig, ConnectorError, PushConnector};

use super::*;

/// A section as the server would read it.
fn built(section: serde_json::Value) -> Result<StdinConnector, String> {
    let config: StdinConfig = serde_json::from_value(section).map_err(|error| error.to_string())?;
    config.build().map_err(|error| error.to_string())
}

/// A pipe and the source at its other end.
fn pipe() -> (PipeWriter, Source) {
    let (reader, writer) = std::io::pipe().unwrap();
    (writer, Source::new(reader))
}

fn reading(source: &Source, section: serde_json::Value) -> StdinConnector {
    StdinConnector {
        source: source.clone(),
        ..built(section).unwrap()
    }
}

fn push(number: u64) -> String {
    format!("{{\"event\":\"E\",\"targets\":{{\"channels\":\"c\"}},\"payload\":{number}}}\n")
}

struct Piped {
    writer: PipeWriter,
    source: Source,
}

impl Subject for Piped {
    type Connector = StdinConnector;

    fn connector(&mut self) -> StdinConnector {
        reading(&self.source, json!({}))
    }

    async fn send(&mut self, _run: &Run, number: u64) {
        self.writer.write_all(push(number).as_bytes()).unwrap();
    }

    async fn send_malformed(&mut self, _run: &Run) {
        self.writer.write_all(b"{\"event\": \n").unwrap();
    }
}

#[tokio::test]
async fn it_passes_the_suite() {
    let (writer, source) = pipe();
    every_connector(Piped { writer, source }).await;
}

#[tokio::test]
async fn the_end_of_the_input_ends_it_after_the_last_line() {
    let (mut writer, source) = pipe();
    writer
        .write_all(format!("\r\n{}{}", push(1), push(2).trim_end()).as_bytes())
        .unwrap();
    drop(writer);
    let recorder = Recorder::default();
    let run = start(reading(&source, json!({})), &recorder);
    let report = run.report.clone();
    assert_eq!(run.ended().await, Ok(()));
    assert_eq!(recorder.payloads(), ["1", "2"]);
    assert_eq!(report.counts(), (2, 0), "a blank line is nothing");
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_and_the_next_one_is_not() {
    let (mut writer, source) = pipe();
    let recorder = Recorder::default();
    let run = start(reading(&source, json!({"max_line": "1 KiB"})), &recorder);
    let report = run.report.clone();
    // More than a pipe holds: somebody has to read it for the write to end.
    let long = std::thread::spawn(move || {
        writer.write_all(&vec![b'x'; 1 << 20]).unwrap();
        writer.write_all(format!("\n{}", push(1)).as_bytes()).unwrap();
    });
    recorder.has(1).await;
    long.join().unwrap();
    assert_eq!(run.ended().await, Ok(()));
    assert_eq!(report.refusals().into_iter().collect::<Vec<_>>(), [("too_large", 1)]);
}

#[tokio::test]
async fn text_becomes_events_through_a_mapping() {
    let (mut writer, source) = pipe();
    writer.write_all("péché: 1\n{\"a\"\n".as_bytes()).unwrap();
    drop(writer);
    let recorder = Recorder::default();
    let mapping = json!({"event": "LINE", "channels": "tail", "payload": {"text": "{body}"}});
    let run = start(reading(&source, json!({"envelope": mapping})), &recorder);
    assert_eq!(run.ended().await, Ok(()));
    assert_eq!(recorder.payloads(), [r#"{"text":"péché: 1"}"#, r#"{"text":"{\"a\""}"#]);
}

#[tokio::test]
async fn a_run_that_was_killed_loses_nothing_that_it_had_not_begun() {
    let (mut writer, source) = pipe();
    for number in 1..=5 {
        writer.write_all(push(number).as_bytes()).unwrap();
    }
    let recorder = Recorder::default();
    recorder.hold();
    let run = start(reading(&source, json!({})), &recorder);
    recorder.has(1).await;
    run.kill();
    recorder.release();
    // The runtime drops the killed run at its next turn.
    tokio::task::yield_now().await;
    let mut run = start(reading(&source, json!({})), &recorder);
    run.running().await;
    assert_eq!(recorder.has(5).await.len(), 5);
    assert_eq!(recorder.payloads(), ["1", "2", "3", "4", "5"]);
    assert_eq!(run.stop().await, Ok(()));
}

#[tokio::test]
async fn a_second_one_is_refused_for_good_and_the_first_goes_on() {
    let (mut writer, source) = pipe();
    let recorder = Recorder::default();
    let mut first = start(reading(&source, json!({})), &recorder);
    first.running().await;
    let second = start(reading(&source, json!({})), &Recorder::default());
    let Err(ConnectorError::Fatal(why)) = second.ended().await else {
        panic!("a second one runs");
    };
    assert!(why.starts_with("another connector reads the standard input"), "{why}");
    writer.write_all(push(1).as_bytes()).unwrap();
    recorder.has(1).await;
    assert_eq!(first.stop().await, Ok(()));
}

#[tokio::test]
async fn an_input_that_cannot_be_read_is_no_reason_to_try_again() {
    struct Folder;
    impl std::io::Read for Folder {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::IsADirectory.into())
        }
    }
    let run = start(reading(&Source::new(Folder), json!({})), &Recorder::default());
    let why = "the standard input cannot be read: is a directory";
    assert_eq!(run.ended().await, Err(ConnectorError::Fatal(why.into())));
}

#[test]
fn settings_have_defaults_and_bounds() {
    assert_eq!(StdinConfig::TYPE, "stdin");
    let connector = built(json!({})).unwrap();
    assert_eq!(connector.max_line, 65_536);
    assert!(connector.listens().is_none());
    let refused = |section| built(section).unwrap_err();
    assert_eq!(
        refused(json!({"max_line": 0})),
        "max_line: must be between 1 byte and 1 GiB"
    );
    assert!(refused(json!({"path": "x"})).starts_with("unknown field `path`, expected `envelope` or `max_line`"));
    assert_eq!(
        refused(json!({"envelope": {"event": "{file.name}", "broadcast": true}})),
        "envelope.event: names {file.name}, which this source does not have; it has {body}, {json}, {json.…}"
    );
}
