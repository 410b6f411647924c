//! What flows in: the tree of the file, environment variables (`TURTED_LIMITS__PING=20s`) and flags (`--set
//! limits.ping=20s`). What flows out: one tree, the later ones over the earlier. Refuses to know: which keys exist and
//! which types they want.

use std::sync::Arc;

use super::problem::{Place, Problem};
use super::tree::{Node, value};

/// Deeper than any setting is.
const DEEPEST: usize = 16;

/// Lays the variables `TURTED_<SECTION>__<KEY>` over the tree. Two underscores part the levels, case does not matter,
/// and a single underscore also finds a key written with `-`. Names without two underscores belong to others and are
/// passed over.
pub(super) fn lay_environment(root: &mut Node, env: &[(String, String)], problems: &mut Vec<Problem>) {
    let mut found: Vec<(Vec<String>, &str, &str)> = Vec::new();
    for (name, text) in env {
        let Some((prefix, rest)) = name.split_at_checked("TURTED_".len()) else {
            continue;
        };
        if prefix.eq_ignore_ascii_case("TURTED_") && rest.contains("__") {
            found.push((
                rest.to_ascii_lowercase().split("__").map(str::to_owned).collect(),
                name,
                text,
            ));
        }
    }
    // A whole table comes before its parts, whatever the order of the environment.
    found.sort();
    for (keys, name, text) in found {
        let place = Place::Env(Arc::from(name));
        if keys.iter().any(String::is_empty) || keys.len() > DEEPEST {
            let message = "the name must look like TURTED_SECTION__KEY, with two underscores between the levels";
            problems.push(Problem::new(place, "", message));
            continue;
        }
        lay(root, keys, &place, text, |wanted, existing| {
            existing.replace('-', "_") == wanted
        });
    }
}

/// Lays the flags `section.key=value` over the tree, in their order.
pub(super) fn lay_sets(root: &mut Node, sets: &[String], problems: &mut Vec<Problem>) {
    for (index, set) in sets.iter().enumerate() {
        let parts = set.split_once('=').map(|(key, text)| (key.trim(), text.trim()));
        let keys = |key: &str| key.split('.').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
        let Some((key, keys, text)) = parts
            .map(|(key, text)| (key, keys(key), text))
            .filter(|(_, keys, _)| keys.iter().all(|part| !part.is_empty()) && keys.len() <= DEEPEST)
        else {
            // Without a key there is no telling what is a secret in it.
            let message = "must be written as section.key=value, as in --set server.listen=0.0.0.0:7117";
            let place = Place::Set(Arc::from(format!("(number {})", index + 1)));
            problems.push(Problem::new(place, "", message));
            continue;
        };
        let key: String = key.chars().filter(|c| !c.is_control()).collect();
        lay(root, keys, &Place::Set(Arc::from(key)), text, |_, _| false);
    }
}

fn lay(root: &mut Node, keys: Vec<String>, place: &Place, text: &str, same: fn(&str, &str) -> bool) {
    let mut node = root;
    for key in keys {
        let table = node.force_table();
        let name = if table.contains_key(&key) {
            key
        } else {
            table
                .keys()
                .find(|existing| same(&key, existing))
                .cloned()
                .unwrap_or(key)
        };
        node = table.entry(name).or_insert_with(|| Node::empty_table(place.clone()));
    }
    *node = value(text, place.clone());
}
