//! What flows in: the tables of `[clients]` and `[connectors]` as they were written. What flows out: the same over what
//! is there when nobody says anything: a section of the same name and type changes only what it names, and one of
//! another type takes its place. Refuses to know: what any type is.

use super::problem::Place;
use super::tree::{Node, Value, value};

/// A section: its name, and its keys with their values as TOML writes them.
type Default = (&'static str, &'static [(&'static str, &'static str)]);

/// Where clients come in. The first of a type says where others of that type are when they do not say it.
const CLIENTS: &[Default] = &[
    ("websocket", &[("type", "websocket"), ("path", "/ws")]),
    ("events", &[("type", "events"), ("path", "/events")]),
    ("polls", &[("type", "polls"), ("path", "/poll")]),
    (
        "socketio",
        &[("type", "socketio"), ("path", "/socket.io"), ("recovery", "true")],
    ),
    (
        "sockjs",
        &[
            ("type", "sockjs"),
            ("path", "/turted"),
            ("dialect", "classic"),
            ("client", "/sockjs.min.js"),
        ],
    ),
    (
        "sockjs_native",
        &[
            ("type", "sockjs"),
            ("path", "/sockjs"),
            ("dialect", "native"),
            ("client", "/sockjs.min.js"),
        ],
    ),
    ("php", &[("type", "php"), ("path", "/sse")]),
    (
        "primus",
        &[("type", "primus"), ("path", "/primus"), ("transformer", "websockets")],
    ),
    ("nodefony", &[("type", "nodefony"), ("path", "/realtime")]),
    // Its clients come to a path that others have: who wants them says so.
    (
        "realizehit",
        &[("type", "realizehit"), ("path", "/ws"), ("enabled", "false")],
    ),
    (
        "rackhd",
        &[
            ("type", "rackhd"),
            ("path", "/"),
            ("enabled", "false"),
            ("channel", "{resource}"),
            ("user", "user"),
            ("everybody", "everybody"),
        ],
    ),
    (
        "bayeux",
        &[
            ("type", "bayeux"),
            ("path", "/bayeux"),
            ("channel", "{path}"),
            ("event", "MESSAGE"),
            ("user", "/service/user"),
            ("everybody", "/service/everybody"),
            ("other", "/service/channel"),
            ("timeout", "30s"),
            ("expiry", "30s"),
            ("ack", "true"),
        ],
    ),
];

/// Ways in for backends.
const CONNECTORS: &[Default] = &[("rest", &[("type", "rest")])];

/// Lays the defaults under what was written.
pub(super) fn lay_under(root: &mut Node) {
    for (room, defaults) in [("clients", CLIENTS), ("connectors", CONNECTORS)] {
        let node = root
            .force_table()
            .entry(room.to_owned())
            .or_insert_with(|| Node::empty_table(Place::Default));
        let Value::Table(table) = &mut node.value else {
            continue;
        };
        for (name, keys) in defaults {
            let section = table
                .entry((*name).to_owned())
                .or_insert_with(|| Node::empty_table(Place::Default));
            complete(section, keys);
        }
    }
}

fn complete(section: &mut Node, keys: &[(&str, &str)]) {
    let place = section.place.clone();
    let Value::Table(table) = &mut section.value else {
        return;
    };
    let is_kind = |node: &Node| matches!(&node.value, Value::Text { text, .. } if ("type", text.as_str()) == keys[0]);
    if table.get("type").is_some_and(|kind| !is_kind(kind)) {
        return;
    }
    for (key, written) in keys {
        table
            .entry((*key).to_owned())
            .or_insert_with(|| value(written, place.clone()));
    }
}

/// Whether a type takes at `/` what nobody else wants, and leaves everything else there to others.
pub(super) fn takes_the_rest(kind: &str) -> bool {
    kind == "rackhd"
}

/// Whether clients of a type can be told from others at the same path.
pub(super) fn shares(kind: &str) -> bool {
    kind == "realizehit"
}

/// Where clients of a type come in when nobody says it.
pub(super) fn path_of(kind: &str) -> Option<&'static str> {
    let of =
        |keys: &'static [(&str, &'static str)], key| keys.iter().find(|(name, _)| *name == key).map(|(_, text)| *text);
    let first = CLIENTS.iter().find(|(_, keys)| of(keys, "type") == Some(kind));
    first.and_then(|(_, keys)| of(keys, "path"))
}
