//! What a line is.

use serde_json::{Value, json};

use crate::support::{Logs, Story, numbers};

#[tokio::test]
async fn three_lines_of_configuration_are_enough() {
    let story = Story::begin(json!({})).await;
    story.folder.append("app.log", "hello\n");
    let dispatch = story.recorder.has(1).await.remove(0);
    assert_eq!(
        (
            dispatch.event.as_str(),
            format!("{:?}", dispatch.targets).contains("log")
        ),
        ("LOG:LINE", true)
    );
    assert_eq!(dispatch.payload.as_str(), r#"{"file":"app.log","line":"hello"}"#);
    assert_eq!(
        dispatch.key, None,
        "a busy log must not push the keys of others out of the server's memory"
    );
}

#[tokio::test]
async fn a_line_waits_for_its_end_and_either_end_is_good() {
    let story = Story::begin(json!({})).await;
    story.folder.append("app.log", "on");
    story.folder.append("app.log", "e\r\ntw");
    story.says(&["one"]).await;
    story.folder.append("app.log", "o\n\nfour\n");
    story.says(&["one", "two", "", "four"]).await;
}

#[tokio::test]
async fn a_line_without_an_end_is_taken_after_a_while_if_configured() {
    let story = Story::begin(json!({"partial_after": "30ms"})).await;
    story.folder.append("app.log", "Password: ");
    story.says(&["Password: "]).await;
    story.folder.append("app.log", "ok\n");
    story.says(&["Password: ", "ok"]).await;
    let payloads = story.payloads();
    assert_eq!(
        (&payloads[0]["partial"], &payloads[1]["partial"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn long_lines_are_cut_and_broken_characters_replaced_and_both_are_marked() {
    let story = Story::begin(json!({"max_line": 100})).await;
    story.folder.append("app.log", "x".repeat(3_000_000) + "\n");
    story.folder.append("app.log", b"caf\xe9\n");
    story.folder.append("app.log", "y".repeat(100) + "\n");
    let lines = story.lines(3).await;
    assert_eq!(lines, ["x".repeat(100), "caf\u{fffd}".into(), "y".repeat(100)]);
    let marks = |name: &str| {
        story
            .payloads()
            .iter()
            .map(|payload| payload.get(name).cloned())
            .collect::<Vec<_>>()
    };
    assert_eq!(marks("cut"), [Some(json!(true)), None, None]);
    assert_eq!(marks("replaced"), [None, Some(json!(true)), None]);
}

#[tokio::test]
async fn only_wanted_lines_come_and_their_groups_are_members() {
    let story = Story::begin(json!({
        "match": r"^(?P<level>WARN|ERROR)(?: \[(?P<module>\w+)\])? ",
        "exclude": "healthcheck",
    }))
    .await;
    story
        .folder
        .append("app.log", "INFO a\nWARN healthcheck\nERROR [db] gone\nWARN slow\n");
    story.says(&["ERROR [db] gone", "WARN slow"]).await;
    let payloads = story.payloads();
    assert_eq!(
        payloads[0],
        json!({"file": "app.log", "level": "ERROR", "line": "ERROR [db] gone", "module": "db"})
    );
    assert_eq!(
        payloads[1],
        json!({"file": "app.log", "level": "WARN", "line": "WARN slow"})
    );
    assert_eq!(story.run.report.counts().1, 0, "what is passed over is not refused");
}

#[tokio::test]
async fn json_lines_keep_their_json_and_other_lines_are_refused() {
    let story = Story::begin(json!({"format": "json"})).await;
    story
        .folder
        .append("app.log", "{\"n\":1.0,\"id\":12345678901234567890}\n\nno json\n[]\n");
    story.recorder.has(2).await;
    let expected = r#"{"file":"app.log","json":{"n":1.0,"id":12345678901234567890}}"#;
    assert_eq!(story.recorder.payloads(), [expected, r#"{"file":"app.log","json":[]}"#]);
    assert_eq!(story.run.report.refusals().get("not_json"), Some(&1));
}

#[tokio::test]
async fn logfmt_lines_have_fields() {
    let envelope = json!({"event": "LOG:{field.level|none}", "channels": "c", "payload": {"all": "{fields}", "from": "{file.path}"}});
    let story = Story::begin(json!({"format": "logfmt", "envelope": envelope})).await;
    story.folder.append("app.log", "level=warn msg=\"two words\"\n");
    let dispatch = story.recorder.has(1).await.remove(0);
    assert_eq!(dispatch.event.as_str(), "LOG:warn");
    let path = story.folder.path("app.log");
    assert_eq!(
        story.payloads()[0],
        json!({"all": {"level": "warn", "msg": "two words"}, "from": path})
    );
}

#[tokio::test]
async fn lines_may_be_pushes_themselves() {
    let story = Story::begin(json!({"envelope": "turted"})).await;
    story.folder.append(
        "app.log",
        "{\"event\":\"A\",\"targets\":{\"users\":\"u\"},\"payload\":[1]}\n{}\n",
    );
    let dispatch = story.recorder.has(1).await.remove(0);
    assert_eq!((dispatch.event.as_str(), dispatch.payload.as_str()), ("A", "[1]"));
}

#[tokio::test]
async fn an_overloaded_server_stops_the_reading_and_loses_nothing() {
    let story = Story::begin(json!({})).await;
    story.recorder.overload(5);
    story.folder.append("app.log", numbers(1, 50_000));
    story.counts(1, 50_000).await;
}

#[tokio::test]
async fn a_busy_file_does_not_starve_a_quiet_one() {
    let logs = Logs::new();
    logs.append("busy.log", numbers(1, 300_000));
    let story = Story::within(logs, json!({"paths": ["*.log"], "start": "beginning"})).await;
    story.folder.append("quiet.log", "here I am\n");
    let place = async {
        loop {
            let found = story
                .recorder
                .payloads()
                .iter()
                .position(|payload| payload.contains("here I am"));
            match found {
                Some(place) => return place,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let place = turted_core::testkit::soon("the quiet file", place).await;
    assert!(place < 300_000, "it came only after the busy one");
    story.recorder.has(300_001).await;
}

#[tokio::test]
async fn a_byte_order_mark_at_the_beginning_of_a_file_is_ignored() {
    let story = Story::begin(json!({"paths": ["*.log"]})).await;
    story.folder.append("a.log", "\u{feff}one\ntwo\n");
    story.says(&["one", "two"]).await;
    let story = Story::begin(json!({"format": "json"})).await;
    story.folder.append("app.log", "\u{feff}{\"n\":1}\n{\"n\":2}\n");
    story.recorder.has(2).await;
    let numbers: Vec<_> = story
        .payloads()
        .iter()
        .map(|payload| payload["json"]["n"].clone())
        .collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(story.run.report.counts(), (2, 0));
}
