//! What flows in: texts that may hold `${NAME}`. What flows out: the same with the environment's values in their place.
//! Refuses to know: what the texts are for. Values that came from an environment variable are left as they are: a
//! password which happens to hold `${` is still that password.

use std::collections::HashMap;

use super::problem::{Place, Problem, join_key};
use super::tree::{Node, Value};

/// Replaces `${NAME}` in every text of the tree below `key`; `$${` stands for a plain `${`. Notes each variable that is
/// not set.
pub(super) fn expand(node: &mut Node, key: &str, env: &HashMap<&str, &str>, problems: &mut Vec<Problem>) {
    let from_env = matches!(node.place, Place::Env(_));
    match &mut node.value {
        Value::Text { .. } | Value::List(_) if from_env => {}
        Value::Text { text, written } if text.contains("${") => match expanded(text, env) {
            Ok(full) => *written = Some(std::mem::replace(text, full)),
            Err(message) => problems.push(Problem::new(node.place.clone(), key, message)),
        },
        Value::List(list) => list.iter_mut().for_each(|node| expand(node, key, env, problems)),
        Value::Table(table) => {
            for (name, node) in table {
                expand(node, &join_key(key, name), env, problems);
            }
        }
        _ => {}
    }
}

fn expanded(text: &str, env: &HashMap<&str, &str>) -> Result<String, String> {
    let mut full = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let after = &from[2..];
        if let Some(before) = before.strip_suffix('$') {
            full.push_str(before);
            full.push_str("${");
            rest = after;
            continue;
        }
        let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        // What stands there may be half a password, hence it is not repeated.
        let name = name.ok_or("\"${\" must be followed by the name of an environment variable and \"}\"; write \"$${\" for a plain \"${\"")?;
        let value = env
            .get(name)
            .ok_or_else(|| format!("the environment variable {name} is not set"))?;
        full.push_str(before);
        full.push_str(value);
        rest = &after[name.len() + 1..];
    }
    full.push_str(rest);
    Ok(full)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_once_and_dollars_survive() {
        let env = HashMap::from([("A", "1"), ("B_2", "${A}"), ("EMPTY", "")]);
        for (text, full) in [
            ("${A}", Some("1")),
            ("x${A}y${A}z", Some("x1y1z")),
            ("${B_2}", Some("${A}")),
            ("${EMPTY}", Some("")),
            ("$${A} costs $5", Some("${A} costs $5")),
            ("ü${A}ü", Some("ü1ü")),
            ("${A", None),
            ("${}", None),
            ("${1A}", None),
            ("${NOT_SET}", None),
            ("${A ${A}}", None),
        ] {
            assert_eq!(expanded(text, &env).ok().as_deref(), full, "{text}");
        }
    }
}
