//! What documents have to be like.
//!
//! In: the part of a client's criteria that names fields. Out: a filter, or a sentence about what is not understood.
//! Its size is bounded in every direction (CWE-400, CWE-674).

use serde_json::{Map, Value};

use super::pattern::{Where, pattern};
use super::value::{is_object_id, value, values};
use crate::fields::{FieldPath, Fields, Kind};
use crate::filter::{Comparison, Filter, Test};

/// Most clauses and tests in one question.
const TESTS: usize = 200;
/// Most values in one question.
const VALUES: usize = 2000;
/// Deepest `or` and `!`.
const DEPTH: usize = 8;

/// What a modifier asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Modifier {
    Not,
    Compares(Comparison),
    Finds(Where),
}

/// Every modifier that there is.
const MODIFIERS: &[(&str, Modifier)] = &[
    ("!", Modifier::Not),
    ("not", Modifier::Not),
    ("<", Modifier::Compares(Comparison::Less)),
    ("lessThan", Modifier::Compares(Comparison::Less)),
    ("lt", Modifier::Compares(Comparison::Less)),
    ("<=", Modifier::Compares(Comparison::AtMost)),
    ("lessThanOrEqual", Modifier::Compares(Comparison::AtMost)),
    ("lte", Modifier::Compares(Comparison::AtMost)),
    (">", Modifier::Compares(Comparison::More)),
    ("greaterThan", Modifier::Compares(Comparison::More)),
    ("gt", Modifier::Compares(Comparison::More)),
    (">=", Modifier::Compares(Comparison::AtLeast)),
    ("greaterThanOrEqual", Modifier::Compares(Comparison::AtLeast)),
    ("gte", Modifier::Compares(Comparison::AtLeast)),
    ("like", Modifier::Finds(Where::Whole)),
    ("contains", Modifier::Finds(Where::Inside)),
    ("startsWith", Modifier::Finds(Where::Start)),
    ("endsWith", Modifier::Finds(Where::End)),
];

/// Reads clauses of one question.
pub struct Clauses<'a> {
    fields: &'a Fields,
    /// Whether a text is only equal to itself.
    is_exact: bool,
    tests: usize,
    values: usize,
}

impl<'a> Clauses<'a> {
    pub fn new(fields: &'a Fields, is_exact: bool) -> Self {
        Self {
            fields,
            is_exact,
            tests: 0,
            values: 0,
        }
    }

    /// All that a clause names holds.
    pub fn read(&mut self, clause: &Map<String, Value>, depth: usize) -> Result<Filter, String> {
        if depth > DEPTH {
            return Err(format!("criteria are at most {DEPTH} levels deep"));
        }
        self.count()?;
        let mut filters = Vec::new();
        for (name, said) in clause {
            match name.as_str() {
                name if name.eq_ignore_ascii_case("or") => filters.push(self.either(said, depth)?),
                // {"like": {"name": "a%"}} is {"name": {"like": "a%"}}.
                "like" => {
                    let Value::Object(texts) = said else {
                        return Err("like is followed by an object of fields and texts".to_owned());
                    };
                    for (name, text) in texts {
                        let path = self.fields.path(name)?;
                        filters.push(self.modified(&path, "like", text, depth)?);
                    }
                }
                name => {
                    let path = self.fields.path(name)?;
                    filters.push(self.expression(&path, said, depth)?);
                }
            }
        }
        Ok(Filter::all(filters))
    }

    /// Any of the clauses holds.
    fn either(&mut self, said: &Value, depth: usize) -> Result<Filter, String> {
        let Value::Array(clauses) = said else {
            return Err("or is followed by a list of criteria".to_owned());
        };
        let mut filters = Vec::new();
        for clause in clauses {
            let Value::Object(clause) = clause else {
                return Err("or is followed by a list of criteria, and each is an object".to_owned());
            };
            filters.push(self.read(clause, depth + 1)?);
        }
        filters.retain(|filter| !filter.is_nothing());
        Ok(Filter::Any(filters))
    }

    fn expression(&mut self, path: &FieldPath, said: &Value, depth: usize) -> Result<Filter, String> {
        match said {
            Value::Object(modifiers) => self.modifiers(path, modifiers, depth),
            Value::Array(list) => {
                let values = self.list(list, path)?;
                self.field(path, Test::In(values))
            }
            Value::String(text) => self.equal(path, text),
            scalar => {
                let value = value(scalar, self.fields.kind(path))?;
                self.field(path, Test::Is(value))
            }
        }
    }

    /// Texts are equal whatever their case, and `%` is anything, unless they are ids.
    fn equal(&mut self, path: &FieldPath, text: &str) -> Result<Filter, String> {
        let kind = self.fields.kind(path);
        let is_plain = kind == Kind::Plain && !is_object_id(text);
        let test = if is_plain && (!self.is_exact || text.contains('%')) {
            Test::Like(pattern(text, Where::Whole, self.is_exact)?)
        } else {
            let mut values = values(&text.into(), kind)?;
            match values.len() {
                1 => Test::Is(values.remove(0)),
                _ => Test::In(values),
            }
        };
        self.field(path, test)
    }

    fn modifiers(&mut self, path: &FieldPath, all: &Map<String, Value>, depth: usize) -> Result<Filter, String> {
        if all.is_empty() {
            let path = path.as_str();
            return Err(format!("{path:?} is followed by no modifier; there are {}", known()));
        }
        let filters = all.iter().map(|(name, said)| self.modified(path, name, said, depth));
        Ok(Filter::all(filters.collect::<Result<_, _>>()?))
    }

    fn modified(&mut self, path: &FieldPath, name: &str, said: &Value, depth: usize) -> Result<Filter, String> {
        let modifier = MODIFIERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((_, modifier)) = modifier else {
            return Err(format!("{name:?} is no modifier; there are {}", known()));
        };
        let kind = self.fields.kind(path);
        let test = match (modifier, said) {
            (Modifier::Not, Value::Object(_)) if depth >= DEPTH => {
                return Err(format!("criteria are at most {DEPTH} levels deep"));
            }
            (Modifier::Not, Value::Object(modifiers)) => {
                let inner = self.modifiers(path, modifiers, depth + 1)?;
                return Ok(Filter::Not(Box::new(inner)));
            }
            (Modifier::Not, Value::Array(list)) => Test::NotIn(self.list(list, path)?),
            (Modifier::Not, scalar) => {
                let mut values = values(scalar, kind)?;
                match values.len() {
                    1 => Test::IsNot(values.remove(0)),
                    _ => Test::NotIn(values),
                }
            }
            (Modifier::Compares(comparison), said) => Test::Compares(*comparison, value(said, kind)?),
            (Modifier::Finds(place), Value::String(text)) => Test::Like(pattern(text, *place, self.is_exact)?),
            (Modifier::Finds(_), _) => return Err(format!("{name} is followed by a text")),
        };
        self.field(path, test)
    }

    fn list(&mut self, list: &[Value], path: &FieldPath) -> Result<Vec<bson::Bson>, String> {
        self.values = self.values.saturating_add(list.len());
        if self.values > VALUES {
            return Err(format!("criteria have at most {VALUES} values"));
        }
        let kind = self.fields.kind(path);
        let mut all = Vec::with_capacity(list.len());
        for said in list {
            all.extend(values(said, kind)?);
        }
        Ok(all)
    }

    /// One more clause or test.
    fn count(&mut self) -> Result<(), String> {
        self.tests += 1;
        match self.tests > TESTS {
            true => Err(format!("criteria ask for at most {TESTS} things")),
            false => Ok(()),
        }
    }

    fn field(&mut self, path: &FieldPath, test: Test) -> Result<Filter, String> {
        self.count()?;
        Ok(match test {
            // Nobody need be asked.
            Test::In(values) if values.is_empty() => Filter::NOTHING,
            Test::NotIn(values) if values.is_empty() => Filter::EVERYTHING,
            test => Filter::Field(path.clone(), test),
        })
    }
}

fn known() -> String {
    let names: Vec<&str> = MODIFIERS.iter().map(|(name, _)| *name).collect();
    names.join(" ")
}
