//! What flows in: `[auth.backends]`, one table or several. What flows out: for each backend its name, its method and
//! its bounds. Refuses to know: how a method verifies anybody.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use turted_core::{Api, Scope};

use super::auth::{Door, Method};
use super::bounds::Bounds;
use super::decode::decode;
use super::problem::{Problem, join_key};
use super::tagged::Tagged;
use super::tree::{Node, Value};

/// One entry of `[[auth.backends]]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backend {
    /// What sentences call it: `a-z`, `0-9`, `_` and `-`. Two of one name are one backend, whose secret changes.
    pub name: Option<String>,
    /// How it proves that it is this backend.
    pub method: Method,
    /// What it may. `None`: everything.
    pub bounds: Option<Bounds>,
}

/// Longest name of a backend in bytes.
const NAME: usize = 64;

impl Backend {
    /// A backend without a name, which may everything.
    #[must_use]
    pub fn of(method: Method) -> Self {
        Self {
            method,
            ..Self::default()
        }
    }

    /// What it may tell whom, and its name, if it has either.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        match (&self.name, &self.bounds) {
            (None, None) => None,
            (None, Some(bounds)) => Some(bounds.scope("this backend".to_owned())),
            (Some(name), bounds) => {
                let name = format!("the backend {name}");
                Some(match bounds {
                    Some(bounds) => bounds.scope(name),
                    None => Scope::whole(name),
                })
            }
        }
    }

    /// What it may do with the server API.
    #[must_use]
    pub fn api(&self) -> Api {
        self.bounds.as_ref().map_or(Api::All, Bounds::api)
    }

    /// Reads one table, or several; what is wrong is noted and left out. With them, whether an open door may be open
    /// anywhere.
    pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> (Vec<Self>, bool) {
        let key = "auth.backends";
        let several = match &node.value {
            Value::List(list) => list.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if several.is_empty() {
            let message = "must have an entry; without any nobody could push";
            problems.push(Problem::new(node.place.clone(), key, message));
        }
        let (mut backends, mut anywhere): (Vec<Self>, bool) = (Vec::new(), false);
        for node in several {
            let Some(mut door) = Tagged::split(node, key, problems) else {
                continue;
            };
            let name = name(&mut door.rest, key, problems);
            let bounds = Bounds::take(&mut door.rest, key, true, problems);
            let twin = backends.iter().find(|other| name.is_some() && other.name == name);
            if let (Some(twin), Some(name)) = (twin, &name)
                && twin.bounds != bounds
            {
                let message = format!("{name:?} is there twice, with other bounds; two of one name must have the same");
                problems.push(Problem::new(node.place_of("name"), join_key(key, "name"), message));
            }
            let method = if door.kind == "accept_all" {
                if several.len() > 1 {
                    let message =
                        "\"accept_all\" stands alone: whoever fails by another entry would come in by this one";
                    problems.push(Problem::new(door.kind_place.clone(), join_key(key, "type"), message));
                }
                anywhere = open(&door.rest, key, problems);
                Some(Method::AcceptAll)
            } else {
                Method::read(&door, key, problems)
            };
            backends.extend(method.map(|method| Self { name, method, bounds }));
        }
        (backends, anywhere)
    }
}

fn open(rest: &Node, key: &str, problems: &mut Vec<Problem>) -> bool {
    #[derive(Deserialize, Default)]
    #[serde(deny_unknown_fields, default)]
    struct Open {
        anywhere: bool,
    }
    let decoded = decode::<Open>(rest, key);
    problems.extend(decoded.problems);
    decoded.value.unwrap_or_default().anywhere
}

fn name(rest: &mut Node, key: &str, problems: &mut Vec<Problem>) -> Option<String> {
    let node = rest.force_table().remove("name")?;
    let message = match &node.value {
        Value::Text { text, .. } => {
            let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
            if (1..=NAME).contains(&text.len()) && text.bytes().all(plain) {
                return Some(text.clone());
            }
            format!("may hold only a-z, 0-9, _ and -, and {NAME} of them")
        }
        _ => format!("must be a text in quotes, not {}", node.kind()),
    };
    problems.push(Problem::new(node.place, join_key(key, "name"), message));
    None
}

/// A backend as the file would say it, secrets masked.
pub(super) struct Shown<'a> {
    pub(super) backend: &'a Backend,
    pub(super) anywhere: bool,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Backend { name, method, bounds } = self.backend;
        let mut table = serializer.serialize_map(None)?;
        if let Some(name) = name {
            table.serialize_entry("name", name)?;
        }
        let anywhere = (*method == Method::AcceptAll).then_some(self.anywhere);
        Door { method, anywhere }.entries(&mut table)?;
        for (key, value) in bounds.iter().flat_map(Bounds::shown) {
            table.serialize_entry(key, &value)?;
        }
        table.end()
    }
}
