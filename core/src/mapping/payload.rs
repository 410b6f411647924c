//! The payload of a mapping.
//!
//! In: what the configuration says under `payload`. Out: for each message a JSON text. JSON of the message is copied
//! byte for byte.

use serde_json::Value;

use super::opened::Opened;
use super::template::{Bound, Sole, Template};
use super::vocabulary::Vocabulary;
use crate::envelope::Refusal;

/// A payload with placeholders in it.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Text(Bound),
    Constant(String),
    List(Vec<Shape>),
    Object(Vec<(String, Shape)>),
}

impl Shape {
    /// Binds every text in `value`; `key` is where it stands, for errors.
    pub(super) fn bind(value: &Value, vocabulary: &Vocabulary, key: &str) -> Result<Self, (String, String)> {
        Ok(match value {
            Value::String(text) => {
                let bound = Template::parse(text).and_then(|template| template.bind(vocabulary));
                Self::Text(bound.map_err(|why| (key.to_owned(), why))?)
            }
            Value::Array(list) => {
                let items = list.iter().map(|item| Self::bind(item, vocabulary, key));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let members = members.iter().map(|(name, member)| {
                    let shape = Self::bind(member, vocabulary, &format!("{key}.{name}"))?;
                    Ok((name.clone(), shape))
                });
                Self::Object(members.collect::<Result<_, (String, String)>>()?)
            }
            constant => Self::Constant(constant.to_string()),
        })
    }

    /// Writes the payload of this message; false when it lacks what the payload is made of.
    pub(super) fn write(&self, opened: &Opened<'_>, out: &mut String) -> Result<bool, Refusal> {
        match self {
            Self::Constant(json) => out.push_str(json),
            Self::Text(template) => match template.sole(opened)? {
                Sole::Json(raw) => out.push_str(raw.get()),
                Sole::Default(None) => return Ok(false),
                Sole::Default(Some(text)) => push_string(out, text),
                Sole::No => match template.render(opened)? {
                    Some(text) => push_string(out, &text),
                    None => return Ok(false),
                },
            },
            Self::List(items) => {
                out.push('[');
                separated(out, items, |item, out| item.write(opened, out))?;
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                separated(out, members, |(name, member), out| {
                    push_string(out, name);
                    out.push(':');
                    member.write(opened, out)
                })?;
                out.push('}');
            }
        }
        Ok(true)
    }
}

/// Writes items with commas between them; an item that has nothing to say leaves no trace.
fn separated<T>(
    out: &mut String,
    items: &[T],
    mut write: impl FnMut(&T, &mut String) -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    let mut is_first = true;
    for item in items {
        let before = out.len();
        if !is_first {
            out.push(',');
        }
        if write(item, out)? {
            is_first = false;
        } else {
            out.truncate(before);
        }
    }
    Ok(())
}

fn push_string(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}
