//! Settings that cannot be, each refused by its key.

use turted_redis::RedisConfig;

use crate::support::{Value, build, json};

fn refused(change: Value) -> String {
    let mut section = json!({"url": "redis://localhost", "streams": ["orders"]});
    for (key, value) in change.as_object().unwrap() {
        section[key] = value.clone();
    }
    match build(section) {
        Ok(_) => "nothing".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_setting_that_cannot_be_is_refused_with_its_key() {
    for (change, begins) in [
        (json!({"url": "localhost"}), "url: must be redis://"),
        (json!({"url": "http://localhost"}), "url: must be redis://"),
        (json!({"url": "redis://:pa#ss@localhost"}), "url: must be redis://"),
        (json!({"url": "redis://localhost/zero"}), "url: must be redis://"),
        (json!({"url": "redis://localhost/?protocol=4"}), "url: must be redis://"),
        (
            json!({"url": "rediss://localhost/#insecure"}),
            "url: must not end in #insecure",
        ),
        (json!({"ca": "ca.pem"}), "ca: is for TLS"),
        (json!({"username": "adam"}), "password: is needed"),
        (
            json!({"streams": []}),
            ": needs channels, patterns, on_demand or streams",
        ),
        (json!({"streams": [""]}), "streams: must not have an empty name"),
        (json!({"channels": ["a", "a"]}), "channels: has a twice"),
        (
            json!({"on_demand": ["**a"]}),
            "on_demand: \"**a\": the pattern may have ** at its end only",
        ),
        (
            json!({"on_demand": ["own.{user}"]}),
            "on_demand: \"own.{user}\": the pattern must not name {user}",
        ),
        (json!({"group": ""}), "group: must not be empty"),
        (
            json!({"streams": [], "channels": ["a"], "group": "g"}),
            "group: is for streams",
        ),
        (json!({"claim_after": "10ms"}), "claim_after: must be at least 1s"),
        (json!({"batch": 0}), "batch: must be 1 to 10000"),
        (json!({"batch": 10_001}), "batch: must be 1 to 10000"),
        (
            json!({"dead_letter": "orders"}),
            "dead_letter: must not be one of streams",
        ),
        (
            json!({"dead_letter_length": 0}),
            "dead_letter_length: must be at least 1",
        ),
        (
            json!({"envelope": {"event": "E"}}),
            "envelope: needs users, channels or broadcast",
        ),
        (
            json!({"envelope": {"event": "{channel}", "broadcast": true}}),
            "envelope.event: names {channel}",
        ),
        (
            json!({"streams": [], "channels": ["a"], "envelope": {"event": "{pattern}", "broadcast": true}}),
            "envelope.event: names {pattern}",
        ),
    ] {
        let error = refused(change.clone());
        assert!(error.starts_with(begins), "{change}: {error}");
        assert!(!error.contains("pa#ss"), "{error}");
    }
}

#[test]
fn everything_together_is_accepted() {
    let all = json!({
        "url": "rediss://localhost:6380/2?protocol=resp3", "username": "adam", "password": "s3cret", "ca": "ca.pem",
        "channels": ["a"], "patterns": ["b.*"], "buffer": "1 MiB", "group": "g", "consumer": "c", "start": "beginning",
        "claim_after": "5m", "body": "data", "batch": 10, "dead_letter": "dead", "dead_letter_length": 5,
        "envelope": {"event": "{channel.0|x}{pattern|}{stream.1|}{id|}{field.a|}", "broadcast": true},
    });
    assert_eq!(refused(all), "nothing");
    for word in [
        "redis+unix:///tmp/socket",
        "unix:///tmp/socket",
        "valkey://localhost",
        "redis://[::1]:1",
    ] {
        assert_eq!(refused(json!({"url": word})), "nothing", "{word}");
    }
}

#[test]
fn a_key_or_a_word_that_is_not_known_is_refused() {
    for section in [
        json!({"url": "redis://localhost", "stream": ["a"]}),
        json!({"url": "redis://localhost", "streams": ["a"], "start": "now"}),
        json!({"streams": ["a"]}),
    ] {
        assert!(
            serde_json::from_value::<RedisConfig>(section.clone()).is_err(),
            "{section}"
        );
    }
}
