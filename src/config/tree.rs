//! What flows in: TOML text. What flows out: a tree of owned values, each of which remembers where it was written, so
//! that file, environment and flags can be laid over each other without losing that. Refuses to know: which keys mean
//! something.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem, join_key};

/// The entries of a table by key.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and where its key (in a list: the value itself) was written.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
    /// How an environment variable or a flag spelled this value, when it was read as something other than text:
    /// `TURTED_AUTH__BACKENDS__PASSWORD=007` is a number until it turns out that a text is wanted.
    pub(super) spelled: Option<String>,
}

#[derive(Clone)]
pub(super) enum Value {
    /// `written` is the form before `${NAME}` was replaced, if it was.
    Text {
        text: String,
        written: Option<String>,
    },
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// No setting is a date; kept only to say so.
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

impl Node {
    pub(super) fn new(place: Place, value: Value) -> Self {
        Node {
            place,
            value,
            spelled: None,
        }
    }

    pub(super) fn text(place: Place, text: impl Into<String>) -> Self {
        Node::new(
            place,
            Value::Text {
                text: text.into(),
                written: None,
            },
        )
    }

    pub(super) fn empty_table(place: Place) -> Self {
        Node::new(place, Value::Table(Table::new()))
    }

    pub(super) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The entries, after turning anything that is not a table into an empty one.
    pub(super) fn force_table(&mut self) -> &mut Table {
        if !matches!(self.value, Value::Table(_)) {
            self.value = Value::Table(Table::new());
        }
        match &mut self.value {
            Value::Table(table) => table,
            _ => unreachable!("it was made a table above"),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.table()?.get(key)
    }

    /// Where `key` (dotted, plain words) was written, or the nearest table around it.
    pub(super) fn place_of(&self, key: &str) -> Place {
        let mut node = self;
        for part in key.split('.') {
            match node.get(part) {
                Some(next) => node = next,
                None => break,
            }
        }
        node.place.clone()
    }

    /// What a person would call this value.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text { .. } => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Bool(_) => "true or false",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// Are the settings the same, wherever they were written?
    pub(super) fn same_settings(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Text { text: a, .. }, Value::Text { text: b, .. }) | (Value::Date(a), Value::Date(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_settings(b)),
            (Value::Table(a), Value::Table(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && a.same_settings(b))
            }
            _ => false,
        }
    }
}

/// Reads a whole document. `file` is the name to show.
///
/// # Errors
/// Every syntax error the parser can tell apart, or every number that does not fit.
pub(super) fn document(text: &str, file: &Arc<str>) -> Result<Node, Vec<Problem>> {
    let lines = Lines::new(text, file);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: toml::de::Error| {
            let place = error
                .span()
                .map_or(Place::Whole(file.clone()), |span| lines.place(&span));
            Problem::new(place, "", format!("not valid TOML: {}", error.message()))
        };
        return Err(errors.into_iter().map(problem).collect());
    }
    let mut problems = Vec::new();
    let place_of = |span: Range<usize>| lines.place(&span);
    let table = convert_table(table.into_inner(), "", &place_of, &mut problems);
    if problems.is_empty() {
        Ok(Node::new(Place::Whole(file.clone()), Value::Table(table)))
    } else {
        Err(problems)
    }
}

/// Reads one value as an environment variable or a flag gives it: TOML when it is that, else the text itself.
pub(super) fn value(text: &str, place: Place) -> Node {
    let trimmed = text.trim();
    let parsed = DeValue::parse(trimmed)
        .ok()
        .filter(|value| value.span() == (0..trimmed.len()));
    if let Some(parsed) = parsed {
        let mut problems = Vec::new();
        let everywhere = |_| place.clone();
        let value = convert(parsed.into_inner(), "", &place, &everywhere, &mut problems);
        if problems.is_empty() {
            let spelled = (!matches!(value, Value::Text { .. })).then(|| text.to_owned());
            return Node { place, value, spelled };
        }
    }
    Node::text(place, text)
}

type PlaceOf<'a> = &'a dyn Fn(Range<usize>) -> Place;

fn convert_table(table: DeTable<'_>, key: &str, place_of: PlaceOf<'_>, problems: &mut Vec<Problem>) -> Table {
    let entry = |(name, value): (Spanned<Cow<'_, str>>, Spanned<DeValue<'_>>)| {
        let place = place_of(name.span());
        let value = convert(
            value.into_inner(),
            &join_key(key, name.get_ref()),
            &place,
            place_of,
            problems,
        );
        (name.into_inner().into_owned(), Node::new(place, value))
    };
    table.into_iter().map(entry).collect()
}

fn convert(value: DeValue<'_>, key: &str, place: &Place, place_of: PlaceOf<'_>, problems: &mut Vec<Problem>) -> Value {
    match value {
        DeValue::String(text) => Value::Text {
            text: text.into_owned(),
            written: None,
        },
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Integer(number) => {
            let fits = i64::from_str_radix(number.as_str(), number.radix());
            if fits.is_err() {
                problems.push(Problem::new(place.clone(), key, "this number is too large"));
            }
            Value::Integer(fits.unwrap_or_default())
        }
        DeValue::Array(values) => {
            let element = |value: Spanned<DeValue<'_>>| {
                let place = place_of(value.span());
                let value = convert(value.into_inner(), key, &place, place_of, problems);
                Node::new(place, value)
            };
            Value::List(values.into_iter().map(element).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(table, key, place_of, problems)),
    }
}

/// Turns byte offsets into lines and columns.
struct Lines<'a> {
    text: &'a str,
    file: &'a Arc<str>,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str, file: &'a Arc<str>) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Lines { text, file, starts }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let offset = span.start.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.wrapping_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Place::Line {
            file: self.file.clone(),
            line,
            column,
        }
    }
}
