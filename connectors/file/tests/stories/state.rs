//! Restarts with a state file.

use std::fs;

use serde_json::{Value, json};
use turted_core::testkit::{Recorder, start};
use turted_core::{ConnectorError, ConnectorState};

use crate::support::{Logs, Story, numbers};

fn settings() -> Value {
    json!({"state_file": "state.json"})
}

#[tokio::test]
async fn a_restart_goes_on_where_the_last_run_ended() {
    let story = Story::begin(settings()).await;
    story.folder.append("app.log", "one\ntwo\nthr");
    story.says(&["one", "two"]).await;
    let story = story.restarted(|folder| folder.append("app.log", "ee\nfour\n")).await;
    story.says(&["three", "four"]).await;
    let story = story.restarted(|_| {}).await;
    story.folder.append("app.log", "five\n");
    story.says(&["five"]).await;
}

#[tokio::test]
async fn files_that_were_rotated_while_nobody_read_are_caught_up_with() {
    let story = Story::begin(settings()).await;
    story.folder.append("app.log", numbers(1, 10));
    story.lines(10).await;
    let rotate = |folder: &Logs| {
        folder.append("app.log", numbers(11, 20));
        folder.rename("app.log", "app.log.3");
        folder.append("app.log.2", numbers(21, 30));
        folder.append("app.log.1", numbers(31, 40));
        fs::copy(folder.path("app.log.3"), folder.path("app.log.4")).unwrap();
        folder.append("app.log", numbers(41, 50));
    };
    let story = story.restarted(rotate).await;
    story.counts(11, 50).await;
    let story = story.restarted(|folder| folder.append("app.log", "51\n")).await;
    story.says(&["51"]).await;
}

#[tokio::test]
async fn a_file_that_was_truncated_or_replaced_while_nobody_read_is_read_from_its_beginning() {
    let story = Story::begin(settings()).await;
    story.folder.append("app.log", "one\n");
    story.says(&["one"]).await;
    let story = story
        .restarted(|folder| {
            folder.copy_and_truncate("app.log", "app.log.1");
            folder.append("app.log", "two\nthree\n");
        })
        .await;
    story.says(&["two", "three"]).await;
    let story = story
        .restarted(|folder| {
            fs::remove_file(folder.path("app.log")).unwrap();
            folder.append("app.log", "four\n");
        })
        .await;
    story.says(&["four"]).await;
}

#[tokio::test]
async fn after_a_kill_only_lines_without_a_saved_position_come_again() {
    let story = Story::begin(settings()).await;
    story.folder.append("app.log", "one\n");
    story.says(&["one"]).await;
    story.saved("app.log", 4).await;
    story.folder.append("app.log", "two\n");
    story.says(&["one", "two"]).await;
    let story = story.killed(|folder| folder.append("app.log", "three\n")).await;
    let lines = story.lines(1).await;
    assert!(["two", "three"].contains(&lines[0].as_str()), "{lines:?}");
    story.recorder.has(if lines[0] == "two" { 2 } else { 1 }).await;
    assert_eq!(story.lines(1).await.last().unwrap(), "three");
}

#[tokio::test]
async fn another_attempt_goes_on_without_a_state_file() {
    let folder = Logs::new();
    let mut connector = folder.connector(&json!({}));
    for round in 1..=3 {
        let (trigger, shutdown) = turted_core::Shutdown::new();
        let recorder = Recorder::default();
        let report = turted_core::Report::default();
        let cx = turted_core::ConnectorContext {
            name: "again".into(),
            inbox: turted_core::Inbox::new(std::sync::Arc::new(recorder.clone())),
            backends: std::sync::Arc::new(Nobody),
            limits: turted_core::Limits::default(),
            shutdown,
            report: report.clone(),
            occupancy: turted_core::Occupancy::default(),
            relays: turted_core::Relays::default(),
        };
        let work = async {
            report.until(|state| *state == ConnectorState::Running).await;
            folder.append("app.log", format!("{round}\n"));
            recorder.has(1).await;
            assert_eq!(
                recorder.payloads(),
                [format!("{{\"file\":\"app.log\",\"line\":\"{round}\"}}")]
            );
            trigger.fire();
        };
        let (ended, ()) = tokio::join!(turted_core::PushConnector::run(&mut connector, cx), work);
        assert_eq!(ended, Ok(()));
    }
}

struct Nobody;

impl turted_core::Authenticator for Nobody {
    fn verify<'a>(
        &'a self,
        _: &'a turted_core::Visitor<'a>,
    ) -> futures_util::future::BoxFuture<'a, Result<Option<turted_core::Identity>, turted_core::Refusal>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

#[tokio::test]
async fn a_state_file_that_cannot_be_used_is_told_before_anything_is_lost() {
    for (name, text) in [("state.json", Some("precious")), ("no/state.json", None)] {
        let folder = Logs::new();
        if let Some(text) = text {
            folder.append(name, text);
        }
        let connector = folder.connector(&json!({"state_file": name}));
        let run = start(connector, &Recorder::default());
        let ended = run.ended().await;
        assert!(
            matches!(&ended, Err(ConnectorError::Retry(why)) if why.contains("state.json")),
            "{ended:?}"
        );
    }
}
