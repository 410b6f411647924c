//! What flows in: a table and the type it should become. What flows out: the value and **every** mistake on the way to
//! it: the offending entry is noted, taken out, and the rest tried again. Refuses to know: any particular setting.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::miss::{Miss, Step};
use super::problem::{Problem, join_key};
use super::secret::{MASK, is_secret_name, mask_url};
use super::tree::{Node, Value};

/// More mistakes than this in one section are not read by anybody.
const MOST_PROBLEMS: usize = 100;

/// What came of a section.
pub(super) struct Decoded<T> {
    /// `None` when even the rest does not make the type (something required is missing, or it is no table at all).
    pub(super) value: Option<T>,
    pub(super) problems: Vec<Problem>,
}

/// Reads `node`, which stands under `key`, as a `T`.
pub(super) fn decode<T: DeserializeOwned>(node: &Node, key: &str) -> Decoded<T> {
    let mut node = node.clone();
    let mut problems: Vec<Problem> = Vec::new();
    let mut removed = HashSet::new();
    // Values of the environment or a flag which are being tried as plain text, with the complaint about their TOML
    // reading.
    let mut respelled: Vec<(Vec<Step>, Problem)> = Vec::new();
    loop {
        let miss = match T::deserialize(&node) {
            Ok(value) => {
                return Decoded {
                    value: Some(value),
                    problems,
                };
            }
            Err(miss) => miss,
        };
        let path = miss.path();
        let mut problem = explain(&node, key, &path, &miss);
        if let Some(depth) = spelled_along(&mut node, &path) {
            respelled.push((path[..depth].to_vec(), problem));
            continue;
        }
        if let Some((_, first)) = respelled.iter().find(|(tried, _)| path.starts_with(tried)) {
            problem = first.clone();
        }
        if miss.missing.is_none() || !removed.contains(&problem.key) {
            problems.push(problem);
        }
        removed.insert(dotted(key, &path));
        let gone = path
            .split_last()
            .is_some_and(|(last, around)| remove(&mut node, around, last));
        if !gone || problems.len() >= MOST_PROBLEMS {
            return Decoded { value: None, problems };
        }
    }
}

fn explain(root: &Node, key: &str, path: &[Step], miss: &Miss) -> Problem {
    let node = walk(root, path);
    let mut full = dotted(key, path);
    let mut message = miss.message.clone();
    hide(node, full.rsplit('.').next().unwrap_or_default(), &mut message);
    if let Some(field) = miss.missing {
        full = join_key(&full, field);
    }
    Problem::new(node.place.clone(), full, message)
}

/// Types outside this room may put the value they refuse into their message: no secret gets out that way.
fn hide(node: &Node, name: &str, message: &mut String) {
    match &node.value {
        Value::Text { text, written } if text.len() >= 3 && message.contains(text.as_str()) => {
            let shown = match written {
                Some(written) => written.as_str().into(),
                None if is_secret_name(name) => MASK.into(),
                None => mask_url(text),
            };
            *message = message.replace(text.as_str(), &shown);
        }
        Value::Table(table) => table.iter().for_each(|(name, node)| hide(node, name, message)),
        Value::List(list) => list.iter().for_each(|node| hide(node, name, message)),
        _ => {}
    }
}

fn dotted(key: &str, path: &[Step]) -> String {
    path.iter().fold(key.to_owned(), |key, step| match step {
        Step::Key(name) => join_key(&key, name),
        Step::Index(_) => key,
    })
}

/// The node at `path`, or the last one on the way that exists.
fn walk<'a>(root: &'a Node, path: &[Step]) -> &'a Node {
    path.iter()
        .try_fold(root, |node, step| step.of(node).ok_or(node))
        .unwrap_or_else(|last| last)
}

/// Finds the value on the way that came from the environment or a flag in another form than text, and makes it the text
/// it was; gives the length of the way to it.
fn spelled_along(root: &mut Node, path: &[Step]) -> Option<usize> {
    let mut node = root;
    for (depth, step) in path.iter().enumerate() {
        node = step.of_mut(node)?;
        if let Some(text) = node.spelled.take() {
            node.value = Value::Text { text, written: None };
            return Some(depth + 1);
        }
    }
    None
}

fn remove(root: &mut Node, around: &[Step], last: &Step) -> bool {
    let Some(node) = around.iter().try_fold(root, |node, step| step.of_mut(node)) else {
        return false;
    };
    match (&mut node.value, last) {
        (Value::Table(table), Step::Key(key)) => table.remove(key).is_some(),
        (Value::List(list), Step::Index(index)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        _ => false,
    }
}

impl Step {
    fn of<'a>(&self, node: &'a Node) -> Option<&'a Node> {
        match (&node.value, self) {
            (Value::Table(table), Step::Key(key)) => table.get(key),
            (Value::List(list), Step::Index(index)) => list.get(*index),
            _ => None,
        }
    }

    fn of_mut<'a>(&self, node: &'a mut Node) -> Option<&'a mut Node> {
        match (&mut node.value, self) {
            (Value::Table(table), Step::Key(key)) => table.get_mut(key),
            (Value::List(list), Step::Index(index)) => list.get_mut(*index),
            _ => None,
        }
    }
}
