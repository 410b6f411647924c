//! What flows in: mistakes inside `[connectors.<name>.envelope]`, which every type of connector has. What flows out:
//! the lines a person would see. Refuses to know: how a mapping works.

use std::sync::Arc;

use super::*;

/// A section of the smallest type, and what the program itself has to say about it.
#[track_caller]
fn check(text: &str, sets: &[&str], expected: &str) {
    let sources = Sources {
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        ..Sources::default()
    };
    let registries = Registries {
        connectors: &crate::registry::check,
        clients: &|_| Ok(()),
        responders: &|_| Ok(()),
        engines: &|_| Ok(()),
    };
    let loaded = assemble(Some((&Arc::from("t.toml"), text)), &sources, registries);
    let got = loaded.map_or_else(|error| error.to_string(), |_| String::new());
    assert!(
        got == expected.trim(),
        "got:\n{got}\n\nexpected:\n{}\n",
        expected.trim()
    );
}

#[test]
fn shapes_that_are_wrong_are_all_reported_where_they_stand() {
    check(
        r#"
[connectors.orders]
type = "stdin"
max_line = "long"
[connectors.orders.envelope]
event = 5
user = "adam"
users = [
    "adam",
    7,
    "{json.b",
]
channels = { a = 1 }
broadcast = "perhaps"
id = "{}"
[connectors.lines]
type = "stdin"
envelope = "turtle"
[connectors.list]
type = "stdin"
envelope = ["turted"]
[connectors.bare]
type = "stdin"
[connectors.bare.envelope]
channels = "all"
"#,
        &[],
        r#"
t.toml:4:1: connectors.orders.max_line: must be a size such as "64 KiB" or "1 MiB", or a number of bytes
t.toml:6:1: connectors.orders.envelope.event: must be a text in quotes, not a whole number
t.toml:7:1: connectors.orders.envelope.user: unknown key; allowed are event, users, channels, broadcast, payload, id; did you mean users?
t.toml:10:5: connectors.orders.envelope.users: must be a text in quotes, not a whole number
t.toml:11:5: connectors.orders.envelope.users: has a brace without its partner; write {{ or }} for a plain one
t.toml:13:1: connectors.orders.envelope.channels: must be a text or a list of texts, not a table
t.toml:14:1: connectors.orders.envelope.broadcast: must be true, false, or a text with a placeholder such as "{json.public|false}"
t.toml:15:1: connectors.orders.envelope.id: has a placeholder without a name; write {{ or }} for a plain brace
t.toml:18:1: connectors.lines.envelope: must be "turted", or a table with event, users, channels, broadcast, payload, id
t.toml:21:1: connectors.list.envelope: must be "turted", or a table with event, users, channels, broadcast, payload, id, not a list
t.toml:24:18: connectors.bare.envelope.event: is missing
"#,
    );
}

#[test]
fn names_that_the_source_does_not_have_are_all_reported_where_they_stand() {
    check(
        r#"
[connectors.orders]
type = "stdin"
[connectors.orders.envelope]
event = "ORDER:{routing_key}"
users = ["{json.user}", "{header.user}"]
channels = ""
broadcast = "{json..x}"
payload.order = "{json.id}"
payload.from.host = "{host}"
id = "{message_id}"
[connectors.nobody]
type = "stdin"
[connectors.nobody.envelope]
event = "a\nb"
"#,
        &[],
        r#"
t.toml:5:1: connectors.orders.envelope.event: names {routing_key}, which this source does not have; it has {body}, {json}, {json.…}
t.toml:6:1: connectors.orders.envelope.users: names {header.user}, which this source does not have; it has {body}, {json}, {json.…}
t.toml:7:1: connectors.orders.envelope.channels: a name must not be empty
t.toml:8:1: connectors.orders.envelope.broadcast: {json..x} has an empty step between its dots
t.toml:10:14: connectors.orders.envelope.payload.from.host: names {host}, which this source does not have; it has {body}, {json}, {json.…}
t.toml:11:1: connectors.orders.envelope.id: names {message_id}, which this source does not have; it has {body}, {json}, {json.…}
t.toml:14:20: connectors.nobody.envelope: needs users, channels or broadcast: whom to tell
t.toml:15:1: connectors.nobody.envelope.event: must not contain control characters
"#,
    );
}

#[test]
fn a_mapping_may_come_from_flags() {
    let typed = "connectors.in.type=stdin";
    check(
        "",
        &[
            typed,
            "connectors.in.envelope.event=E",
            "connectors.in.envelope.users=5",
        ],
        "",
    );
    check(
        "",
        &[
            typed,
            "connectors.in.envelope.event={x}",
            "connectors.in.envelope.broadcast=true",
        ],
        "--set connectors.in.envelope.event: names {x}, which this source does not have; it has {body}, {json}, {json.…}",
    );
}
