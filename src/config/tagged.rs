//! What flows in: a table with a `type`. What flows out: the type, and the table without it. Refuses to know: which
//! types exist.

use super::problem::{Place, Problem, join_key};
use super::tree::{Node, Value};

/// A table whose `type` says what the other keys mean.
pub(super) struct Tagged {
    pub(super) kind: String,
    pub(super) kind_place: Place,
    pub(super) rest: Node,
}

impl Tagged {
    /// Takes the `type` out of the table under `key`; notes what is wrong with it.
    pub(super) fn split(node: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<Tagged> {
        let Some(table) = node.table() else {
            let message = format!("must be a table with a type, not {}", node.kind());
            problems.push(Problem::new(node.place.clone(), key, message));
            return None;
        };
        let type_key = join_key(key, "type");
        let Some(kind) = table.get("type") else {
            problems.push(Problem::new(node.place.clone(), type_key, "is missing"));
            return None;
        };
        let Value::Text { text, .. } = &kind.value else {
            let message = format!("must be a word in quotes, not {}", kind.kind());
            problems.push(Problem::new(kind.place.clone(), type_key, message));
            return None;
        };
        let mut rest = node.clone();
        rest.force_table().remove("type");
        Some(Tagged {
            kind: text.clone(),
            kind_place: kind.place.clone(),
            rest,
        })
    }
}
