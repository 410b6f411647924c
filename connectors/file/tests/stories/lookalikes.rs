//! Logs that look like rotated ones, and copies that look like logs. Whoever is unsure reads.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;
use turted_core::testkit::soon;

use crate::support::{Logs, Story, numbers, warnings};

/// How many lines came of each file.
fn by_file(story: &Story) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for payload in story.payloads() {
        *counts.entry(payload["file"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// Workers that begin with the same line: `worker-1.log` was taken for a copy of `worker.log` and never read.
#[tokio::test]
async fn live_logs_that_begin_alike_are_all_read_whatever_their_names() {
    let story = Story::begin(json!({"paths": ["*.log"]})).await;
    let names = [
        "worker.log",
        "worker-1.log",
        "worker-2.log",
        "worker.3.log",
        "helper.log",
    ];
    story.folder.append(names[0], "worker starts\n");
    story.lines(1).await;
    for name in &names[1..] {
        story.folder.append(name, "worker starts\n");
    }
    // Said once, though nothing more is written for now.
    story.lines(names.len()).await;
    for name in names {
        story.folder.append(name, numbers(1, 100));
    }
    story.lines(names.len() * 101).await;
    assert_eq!(by_file(&story), names.map(|name| (name.to_owned(), 101)).into());
}

#[tokio::test]
async fn live_logs_that_begin_alike_go_on_after_a_restart() {
    let story = Story::begin(json!({"paths": ["*.log"], "state_file": "state.json"})).await;
    let names = ["worker.log", "worker-1.log", "worker_2.log"];
    for name in names {
        story.folder.append(name, "worker starts\n");
    }
    story.lines(3).await;
    let more = |folder: &Logs| names.iter().for_each(|name| folder.append(name, "more\n"));
    let story = story.restarted(more).await;
    assert_eq!(story.lines(3).await, ["more"; 3]);
    for name in names {
        story.folder.append(name, numbers(1, 10));
    }
    story.lines(33).await;
    assert_eq!(by_file(&story), names.map(|name| (name.to_owned(), 11)).into());
}

/// Only the header had been read; a file in between that has the same header was taken for a copy of it.
#[tokio::test]
async fn logs_with_a_common_header_that_were_rotated_twice_meanwhile_are_all_read() {
    let story = Story::begin(json!({"state_file": "state.json"})).await;
    story.folder.append("app.log", "#Fields: date time status\n");
    story.lines(1).await;
    let rotate = |folder: &Logs| {
        folder.append("app.log", "oldest\n");
        folder.rename("app.log", "app.log.2");
        folder.append("app.log.1", "#Fields: date time status\nmiddle\n");
        folder.append("app.log", "#Fields: date time status\nnewest\n");
    };
    let story = story.restarted(rotate).await;
    let header = "#Fields: date time status";
    story.says(&["oldest", header, "middle", header, "newest"]).await;
}

#[tokio::test]
async fn copies_with_a_common_header_lose_nothing_and_repeat_nothing() {
    let story = Story::begin(json!({"state_file": "state.json"})).await;
    story.folder.append("app.log", "#header\n");
    story.lines(1).await;
    let rotate = |folder: &Logs| {
        folder.append("app.log", "oldest\n");
        folder.copy_and_truncate("app.log", "app.log.2");
        folder.append("app.log", "#header\nmiddle\n");
        folder.copy_and_truncate("app.log", "app.log.1");
        folder.append("app.log", "#header\nnewest\n");
    };
    let story = story.restarted(rotate).await;
    // Of three files that begin alike one was begun before; which one makes no difference.
    let mut lines = story.lines(5).await;
    lines.sort_unstable();
    assert_eq!(lines, ["#header", "#header", "middle", "newest", "oldest"]);
}

#[tokio::test]
async fn what_was_cut_away_unread_is_read_in_the_copy_that_was_made_of_it() {
    let story = Story::begin(json!({"paths": ["app.log*"]})).await;
    story.folder.append("app.log", numbers(1, 20_000));
    story.recorder.has(1).await;
    story.recorder.hold();
    story.folder.append("app.log", numbers(20_001, 80_000));
    story.folder.copy_and_truncate("app.log", "app.log.1");
    story.folder.append("app.log", "80001\n");
    story.recorder.release();
    story.lines(80_001).await;
    // The beginning of a line may have been told when it was cut; the copy has all of it.
    let is_partial = |payload: &serde_json::Value| payload["partial"] == true;
    let partial = story.payloads().iter().filter(|payload| is_partial(payload)).count();
    story.lines(80_001 + partial).await;
    let mut lines: Vec<usize> = story
        .payloads()
        .iter()
        .filter(|payload| !is_partial(payload))
        .map(|payload| payload["line"].as_str().unwrap().parse().unwrap())
        .collect();
    lines.sort_unstable();
    assert!(lines.into_iter().eq(1..=80_001), "each of them once");
    let said = warnings(&story.folder.path("app.log.1"));
    assert!(matches!(&said[..], [one] if one.contains("copy")), "{said:?}");
}

/// Its name and its text say that it is the copy of a log that was truncated; then it goes on.
#[tokio::test]
async fn a_copy_that_grows_was_none_and_is_read_from_its_beginning() {
    let story = Story::begin(json!({"paths": ["*.log"]})).await;
    story.folder.append("worker.log", "worker starts\n");
    story.lines(1).await;
    story.folder.append("worker-1.log", "worker starts\n");
    story.folder.truncate("worker.log");
    story.folder.append("worker.log", "again\n");
    story.lines(2).await;
    soon("a verdict about worker-1.log", async {
        while warnings(&story.folder.path("worker-1.log")).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    story.folder.append("worker-1.log", "first\n");
    story.says(&["worker starts", "again", "worker starts", "first"]).await;
}

#[tokio::test]
async fn a_file_that_is_not_read_is_said_once_with_the_reason() {
    let story = Story::begin(json!({"state_file": "state.json"})).await;
    story.folder.append("app.log", "one\n");
    story.lines(1).await;
    let rotate = |folder: &Logs| {
        folder.rename("app.log", "app.log.3");
        fs::copy(folder.path("app.log.3"), folder.path("app.log.4")).unwrap();
        folder.append("app.log.2.gz", "packed");
        folder.append("app.log", "two\n");
    };
    let story = story.restarted(rotate).await;
    story.says(&["two"]).await;
    let said = |name: &str| warnings(&story.folder.path(name));
    assert!(
        matches!(&said("app.log.2.gz")[..], [one] if one.contains("compressed")),
        "{:?}",
        said("app.log.2.gz")
    );
    assert!(
        matches!(&said("app.log.4")[..], [one] if one.contains("copy")),
        "{:?}",
        said("app.log.4")
    );
    assert!(said("app.log.3").is_empty() && warnings(&story.folder.path("app.log")).is_empty());
    let story = Story::within(story.folder, json!({"paths": ["app.log*"], "max_files": 2})).await;
    let said = warnings(&story.folder.path("app.log.3"));
    assert!(matches!(&said[..], [one] if one.contains("max_files")), "{said:?}");
}

#[tokio::test]
async fn two_names_of_one_file_are_one_log_and_the_other_name_is_said() {
    let logs = Logs::new();
    logs.append("app.log", "");
    fs::hard_link(logs.path("app.log"), logs.path("link.log")).unwrap();
    let story = Story::within(logs, json!({"paths": ["*.log"], "poll": "20ms"})).await;
    story.folder.append("app.log", "one\n");
    story.says(&["one"]).await;
    let said = warnings(&story.folder.path("link.log"));
    assert!(matches!(&said[..], [one] if one.contains("same file")), "{said:?}");
}
