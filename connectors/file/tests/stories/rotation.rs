//! Logs that are rotated under the reader.

use std::fs;
use std::io::Write;

use serde_json::json;

use crate::support::{Story, numbers};

#[tokio::test]
async fn the_old_file_is_read_to_its_end_before_the_new_one() {
    let story = Story::begin(json!({})).await;
    let mut old = story.folder.open("app.log");
    old.write_all(b"one\n").unwrap();
    story.says(&["one"]).await;
    story.folder.rename("app.log", "app.log.1");
    old.write_all(b"two\n").unwrap();
    story.folder.append("app.log", "three\n");
    story.says(&["one", "two", "three"]).await;
    // Its writer has not noticed yet.
    old.write_all(b"late\n").unwrap();
    story.says(&["one", "two", "three", "late"]).await;
}

#[tokio::test]
async fn a_line_whose_end_never_came_is_not_lost_with_its_file() {
    let story = Story::begin(json!({})).await;
    story.folder.append("app.log", "one\nhal");
    story.says(&["one"]).await;
    story.folder.truncate("app.log");
    story.folder.append("app.log", "two\n");
    story.says(&["one", "hal", "two"]).await;
    assert_eq!(story.payloads()[1]["partial"], true);
}

#[tokio::test]
async fn a_truncated_file_is_read_from_its_beginning() {
    let story = Story::begin(json!({})).await;
    story.folder.append("app.log", "one\ntwo\n");
    story.says(&["one", "two"]).await;
    story.folder.copy_and_truncate("app.log", "app.log.1");
    story.folder.append("app.log", "three\n");
    story.says(&["one", "two", "three"]).await;
}

#[tokio::test]
async fn a_truncation_is_noticed_though_the_file_is_longer_than_before() {
    let story = Story::begin(json!({"watch": "poll", "poll": "300ms"})).await;
    story.folder.append("app.log", numbers(1, 3));
    story.lines(3).await;
    // All of it between two looks.
    story.folder.truncate("app.log");
    story.folder.append("app.log", numbers(4, 100));
    story.counts(1, 100).await;
}

#[tokio::test]
async fn a_writer_that_does_not_append_leaves_a_hole_and_loses_no_line() {
    let story = Story::begin(json!({})).await;
    let mut file = fs::File::create(story.folder.path("app.log")).unwrap();
    file.write_all(numbers(1, 50_000).as_bytes()).unwrap();
    story.lines(50_000).await;
    story.folder.truncate("app.log");
    file.write_all(b"after the hole\n").unwrap();
    assert_eq!(story.lines(50_001).await.last().unwrap(), "after the hole");
}

#[tokio::test]
async fn files_that_came_and_went_between_two_looks_are_found() {
    let story = Story::begin(json!({"watch": "poll", "poll": "300ms"})).await;
    story.folder.append("app.log", numbers(1, 10));
    story.lines(10).await;
    for number in 1..=5 {
        for old in (1..number).rev() {
            story
                .folder
                .rename(&format!("app.log.{old}"), &format!("app.log.{}", old + 1));
        }
        story.folder.rename("app.log", "app.log.1");
        story
            .folder
            .append("app.log", numbers(number * 10 + 1, number * 10 + 10));
    }
    story.counts(1, 60).await;
}

#[tokio::test]
async fn rotated_names_and_copies_that_match_as_well_are_not_read_again() {
    let story = Story::begin(json!({"paths": ["app.log*"], "poll": "20ms"})).await;
    story.folder.append("app.log", "one\n");
    story.says(&["one"]).await;
    story.folder.rename("app.log", "app.log.1");
    story.folder.append("app.log", "two\n");
    story.says(&["one", "two"]).await;
    story.folder.copy_and_truncate("app.log", "app.log.2");
    story.folder.append("app.log", "three\n");
    story.says(&["one", "two", "three"]).await;
    story.folder.append("app.log.new", "four\n");
    story.says(&["one", "two", "three", "four"]).await;
}

#[tokio::test]
async fn rotations_while_the_server_is_overloaded_lose_nothing() {
    let story = Story::begin(json!({})).await;
    story.folder.append("app.log", numbers(1, 20_000));
    story.recorder.has(1).await;
    story.recorder.hold();
    for number in 1..=3 {
        story.folder.rename("app.log", &format!("app.log-2026010{number}"));
        story
            .folder
            .append("app.log", numbers(number * 20_000 + 1, (number + 1) * 20_000));
    }
    story.recorder.release();
    story.counts(1, 80_000).await;
}
