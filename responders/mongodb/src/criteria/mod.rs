//! Criteria as clients of Waterline 0.10 write them, translated, and never run.
//!
//! In: any JSON. Out: a question of typed values, or a sentence about what is not understood. `clause` reads what
//! documents have to be like, `value` what fields are compared with, `pattern` what texts are looked for.

mod clause;
mod pattern;
mod value;

use bson::{Document, doc};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::fields::Fields;
use crate::filter::Filter;
use clause::Clauses;

/// Most documents that may be passed over.
const SKIP: u64 = 1_000_000;
/// Most fields by which documents are sorted, or that are selected.
const NAMES: usize = 32;
/// What stands beside fields, and is none.
const OPTIONS: [&str; 4] = ["limit", "skip", "sort", "select"];
/// What Waterline knows, and nobody may ask here: it would be work without a bound.
const ELSEWHERE: [&str; 9] = [
    "sum", "average", "groupBy", "min", "max", "join", "joins", "populate", "where",
];

/// What a client wants to know of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Which documents.
    pub filter: Filter,
    /// In which order, as MongoDB reads it; empty for any.
    pub sort: Document,
    /// How many of them to pass over.
    pub skip: u64,
    /// How many at most.
    pub limit: Option<u64>,
    /// Only these fields, as MongoDB reads it.
    pub select: Option<Document>,
}

impl Question {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self {
            filter: Filter::EVERYTHING,
            sort: Document::new(),
            skip: 0,
            limit: None,
            select: None,
        }
    }

    /// Reads criteria, JSON. `is_exact`: whether the case of texts makes a difference.
    ///
    /// # Errors
    /// A sentence for the client: what is not understood, and what would be.
    pub fn read(criteria: &str, fields: &Fields, is_exact: bool) -> Result<Self, String> {
        let value: Value = serde_json::from_str(criteria).map_err(|_| "criteria are JSON".to_owned())?;
        let mut clauses = Clauses::new(fields, is_exact);
        let mut question = Self::all();
        match &value {
            Value::Null => {}
            Value::Object(said) => match said.get("where") {
                Some(inner) => {
                    let (options, more) = split(said);
                    if let Some(name) = more.keys().find(|name| *name != "where") {
                        return Err(format!("{name:?} stands beside where; only {} do", OPTIONS.join(" ")));
                    }
                    question.options(&options, fields)?;
                    match inner {
                        Value::Null => {}
                        Value::Object(inner) => question.clause(inner, fields, &mut clauses)?,
                        _ => return Err("where is followed by an object".to_owned()),
                    }
                }
                None => question.clause(said, fields, &mut clauses)?,
            },
            // Several criteria, or several ids; or one id.
            Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_object) => {
                let mut either = Map::new();
                either.insert("or".to_owned(), value.clone());
                question.filter = clauses.read(&either, 0)?;
            }
            Value::Array(_) | Value::String(_) | Value::Number(_) => {
                let mut by_id = Map::new();
                by_id.insert("id".to_owned(), value.clone());
                question.filter = clauses.read(&by_id, 0)?;
            }
            Value::Bool(_) => return Err("criteria are an object".to_owned()),
        }
        if value.is_object() {
            question.sort = Sorts::read(criteria, fields)?;
        }
        Ok(question)
    }

    /// Fields, and options among them.
    fn clause(&mut self, said: &Map<String, Value>, fields: &Fields, clauses: &mut Clauses<'_>) -> Result<(), String> {
        let (options, rest) = split(said);
        if let Some(name) = ELSEWHERE.iter().find(|name| rest.contains_key(**name)) {
            return Err(format!("{name} cannot be asked for here"));
        }
        self.options(&options, fields)?;
        self.filter = clauses.read(&rest, 0)?;
        Ok(())
    }

    fn options(&mut self, options: &Map<String, Value>, fields: &Fields) -> Result<(), String> {
        for (name, said) in options {
            match name.as_str() {
                _ if said.is_null() => {}
                "limit" => self.limit = Some(count(name, said)?).filter(|limit| *limit > 0),
                "skip" => self.skip = count(name, said)?,
                // It is read where its order is known.
                "sort" => {}
                _ => self.select = Some(selected(said, fields)?),
            }
        }
        match self.skip > SKIP {
            true => Err(format!("skip is at most {SKIP}")),
            false => Ok(()),
        }
    }
}

/// Options, and everything else.
fn split(said: &Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    let all = said.iter().map(|(name, said)| (name.clone(), said.clone()));
    all.partition(|(name, _)| OPTIONS.contains(&name.as_str()))
}

/// A whole number, or a text that is one; less than none is none.
fn count(name: &str, said: &Value) -> Result<u64, String> {
    let number = match said {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| format!("{name} is followed by a whole number"))?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// Where an order stands. A value has forgotten in which order its members came.
#[derive(Deserialize)]
struct Sorts<'a> {
    #[serde(borrow)]
    sort: Option<&'a RawValue>,
    #[serde(borrow)]
    r#where: Option<&'a RawValue>,
}

impl Sorts<'_> {
    fn read(criteria: &str, fields: &Fields) -> Result<Document, String> {
        let twice = |_| "sort and where stand in criteria once".to_owned();
        let outer: Sorts<'_> = serde_json::from_str(criteria).map_err(twice)?;
        let inner = outer.r#where.filter(|inner| inner.get().starts_with('{'));
        let inner = inner.map(|inner| serde_json::from_str::<Sorts<'_>>(inner.get()));
        let inner = inner.transpose().map_err(twice)?.and_then(|inner| inner.sort);
        inner
            .or(outer.sort)
            .map_or_else(|| Ok(Document::new()), |said| order(said, fields))
    }
}

/// `"name"`, `"name desc"`, `{"name": "asc"}`, `{"name": -1}`.
fn order(said: &RawValue, fields: &Fields) -> Result<Document, String> {
    let wrong = || "sort is followed by \"field\", \"field asc\" or \"field desc\", or by an object of them".to_owned();
    let mut sort = Document::new();
    if let Ok(text) = serde_json::from_str::<String>(said.get()) {
        let mut words = text.split_whitespace();
        let name = words.next().ok_or_else(wrong)?;
        let direction = words.next().unwrap_or("asc");
        if words.next().is_some() {
            return Err(wrong());
        }
        sort.insert(fields.path(name)?.as_str(), by_word(direction).ok_or_else(wrong)?);
        return Ok(sort);
    }
    let all: IndexMap<String, Value> = serde_json::from_str(said.get()).map_err(|_| wrong())?;
    if all.len() > NAMES {
        return Err(format!("sort has at most {NAMES} fields"));
    }
    for (name, direction) in &all {
        let direction = match direction {
            Value::String(word) => by_word(word),
            // Both are downwards.
            Value::Number(number) => Some(if matches!(number.as_i64(), Some(0 | -1)) { -1 } else { 1 }),
            _ => None,
        };
        sort.insert(fields.path(name)?.as_str(), direction.ok_or_else(wrong)?);
    }
    Ok(sort)
}

fn by_word(word: &str) -> Option<i32> {
    match word {
        word if word.eq_ignore_ascii_case("asc") => Some(1),
        word if word.eq_ignore_ascii_case("desc") => Some(-1),
        _ => None,
    }
}

/// A list of names.
fn selected(said: &Value, fields: &Fields) -> Result<Document, String> {
    let wrong = || format!("select is followed by a list of at most {NAMES} fields");
    let list = said.as_array().filter(|list| list.len() <= NAMES).ok_or_else(wrong)?;
    let mut select = doc! {};
    for name in list {
        select.insert(fields.path(name.as_str().ok_or_else(wrong)?)?.as_str(), 1);
    }
    Ok(select)
}

#[cfg(test)]
mod tests;
