//! What flows in: the keys that `[clients]` had in version 0.1, each a value of its own. What flows out: the sections
//! that say the same, and for each such key a hint what to write instead. Refuses to know: what the keys mean beyond
//! that. It goes with the next release.

use super::problem::{Place, Problem, join_key};
use super::tree::{Node, Value};

/// A key of before, and the settings that it stands for: section and key.
const KEYS: &[(&str, &[(&str, &str)])] = &[
    ("websocket", &[("websocket", "path")]),
    ("events", &[("events", "path")]),
    ("polls", &[("polls", "path")]),
    ("socketio", &[("socketio", "path")]),
    ("sockjs", &[("sockjs", "path")]),
    ("sockjs_native", &[("sockjs_native", "path")]),
    ("php_events", &[("php", "path")]),
    ("socketio_recovery", &[("socketio", "recovery")]),
    ("socketio_client", &[("socketio", "client")]),
    ("sockjs_client", &[("sockjs", "client"), ("sockjs_native", "client")]),
];

/// Rewrites them, and says how.
pub(super) fn rewrite(root: &mut Node, hints: &mut Vec<Problem>, problems: &mut Vec<Problem>) {
    let Some(Value::Table(clients)) = root.force_table().get_mut("clients").map(|node| &mut node.value) else {
        return;
    };
    let mut flat = Vec::new();
    for (key, settings) in KEYS {
        if clients.get(*key).is_some_and(|node| node.table().is_none())
            && let Some(node) = clients.remove(*key)
        {
            flat.push((*key, *settings, node));
        }
    }
    for (key, settings, node) in flat {
        let is_off = matches!(&node.value, Value::Text { text, .. } if text.is_empty());
        let mut instead = Vec::new();
        for (section, setting) in settings {
            let (setting, value) = match (*setting, is_off) {
                ("path", true) => ("enabled", Value::Bool(false)),
                (setting, _) => (setting, node.value.clone()),
            };
            instead.push(format!("[clients.{section}] {setting} = {}", written(&value)));
            let place = node.place.clone();
            let table = clients
                .entry((*section).to_owned())
                .or_insert_with(|| Node::empty_table(place.clone()))
                .force_table();
            if table.contains_key(setting) {
                let message = format!("is said by clients.{section}.{setting} as well; take this one out");
                problems.push(Problem::new(place, join_key("clients", key), message));
            } else {
                let spelled = node.spelled.clone();
                table.insert(setting.to_owned(), Node { place, value, spelled });
            }
        }
        let message = format!("is written {} from now on", instead.join(" and "));
        hints.push(Problem::new(node.place.clone(), join_key("clients", key), message));
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::Text { text, written } => toml::Value::from(written.as_ref().unwrap_or(text).as_str()).to_string(),
        Value::Bool(is) => is.to_string(),
        _ => "…".to_owned(),
    }
}

/// Whether a problem is about a section that one of these keys has made: it is told under the key that was written.
pub(super) fn retold(problem: &Problem, hints: &[Problem]) -> Option<Problem> {
    let hint = hints
        .iter()
        .find(|hint| hint.place == problem.place && hint.place != Place::Default)?;
    Some(Problem::new(
        problem.place.clone(),
        hint.key.clone(),
        problem.message.clone(),
    ))
}
