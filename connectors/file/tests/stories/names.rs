//! Which files are followed.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use turted_core::ConnectorState;

use crate::support::{Logs, Story, built, numbers};

#[tokio::test]
async fn it_begins_at_the_end_or_at_the_beginning_and_new_files_are_read_whole() {
    for (start, first) in [("end", vec![]), ("beginning", vec!["old"])] {
        let logs = Logs::new();
        logs.append("a.log", "old\n");
        let story = Story::within(logs, json!({"paths": ["*.log"], "start": start})).await;
        story.says(&first).await;
        story.folder.append("b.log", "new\n");
        let expected: Vec<&str> = first.iter().copied().chain(["new"]).collect();
        story.says(&expected).await;
        assert_eq!(story.payloads().last().unwrap()["file"], "b.log");
    }
}

#[tokio::test]
async fn folders_that_appear_are_looked_into() {
    let story = Story::begin(json!({"paths": ["*/app.log"], "poll": "20ms"})).await;
    fs::create_dir(story.folder.path("one")).unwrap();
    story.folder.append("one/app.log", "hello\n");
    story.says(&["hello"]).await;
}

#[tokio::test]
async fn a_file_may_vanish_and_come_back() {
    let story = Story::begin(json!({})).await;
    story.folder.append("app.log", "one\n");
    story.says(&["one"]).await;
    fs::remove_file(story.folder.path("app.log")).unwrap();
    story.folder.append("app.log", "two\n");
    story.says(&["one", "two"]).await;
    // The same file, moved away and back: what was read is not read again.
    story.folder.rename("app.log", "elsewhere");
    story.folder.append("elsewhere", "three\n");
    story.folder.rename("elsewhere", "app.log");
    story.folder.append("app.log", "four\n");
    story.says(&["one", "two", "three", "four"]).await;
}

#[tokio::test]
async fn a_symbolic_link_that_is_swapped_leads_to_the_next_file() {
    let logs = Logs::new();
    fs::create_dir(logs.path("versions")).unwrap();
    logs.append("versions/1", "");
    symlink(logs.path("versions/1"), logs.path("app.log")).unwrap();
    let story = Story::within(logs, json!({})).await;
    story.folder.append("versions/1", "one\n");
    story.says(&["one"]).await;
    story.folder.append("versions/2", "two\n");
    symlink(story.folder.path("versions/2"), story.folder.path("next")).unwrap();
    story.folder.append("versions/1", "last of one\n");
    story.folder.rename("next", "app.log");
    story.says(&["one", "last of one", "two"]).await;
    story.folder.append("versions/2", "three\n");
    story.says(&["one", "last of one", "two", "three"]).await;
}

#[tokio::test]
async fn what_is_no_readable_file_is_passed_over_until_it_is_one() {
    let logs = Logs::new();
    fs::create_dir(logs.path("app.log")).unwrap();
    let story = Story::within(logs, json!({"paths": ["app.log", "other.log"], "poll": "20ms"})).await;
    story.folder.append("other.log", "one\n");
    story.says(&["one"]).await;
    assert_eq!(story.run.report.current(), ConnectorState::Running);
    fs::remove_dir(story.folder.path("app.log")).unwrap();
    story.folder.append("app.log", "two\n");
    story.says(&["one", "two"]).await;
}

#[tokio::test]
async fn no_more_files_are_followed_than_allowed() {
    let logs = Logs::new();
    for name in ["a.log", "b.log", "c.log"] {
        logs.append(name, format!("{name}\n"));
    }
    let settings = json!({"paths": ["*.log"], "start": "beginning", "max_files": 2, "poll": "20ms"});
    let story = Story::within(logs, settings).await;
    story.says(&["a.log", "b.log"]).await;
    fs::remove_file(story.folder.path("a.log")).unwrap();
    story.says(&["a.log", "b.log", "c.log"]).await;
}

#[tokio::test]
async fn a_file_that_is_replaced_by_a_longer_copy_of_itself_goes_on() {
    let story = Story::begin(json!({})).await;
    story.folder.append("app.log", numbers(1, 1000));
    story.lines(1000).await;
    story.folder.append("copy", numbers(1, 1001));
    story.folder.rename("copy", "app.log");
    assert_eq!(story.lines(1001).await.last().unwrap(), "1001", "as rsync does it");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let error = built(json!({"paths": []})).err().unwrap();
    assert_eq!(error.key, "paths");
}
