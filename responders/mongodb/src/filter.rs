//! What fits a question, as values, and as MongoDB reads it.
//!
//! In: tests of fields. Out: a document whose operators are those that are written here, and whose keys are checked
//! paths: nothing that a client says becomes an operator (CWE-943).

use bson::{Bson, Document, doc};

use crate::fields::FieldPath;

/// Which documents are meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Those that all of these mean. Empty: every document.
    All(Vec<Filter>),
    /// Those that any of these means. Empty: none.
    Any(Vec<Filter>),
    /// Those that this does not mean.
    Not(Box<Filter>),
    /// Those with such a field.
    Field(FieldPath, Test),
}

/// What is asked of one field.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It is this; `null` is also what is not there.
    Is(Bson),
    /// It is not this.
    IsNot(Bson),
    /// It is one of these.
    In(Vec<Bson>),
    /// It is none of these.
    NotIn(Vec<Bson>),
    /// It compares so to this.
    Compares(Comparison, Bson),
    /// It is a text that this finds.
    Like(Pattern),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// A regular expression that is made of texts and of places where anything may stand, and of nothing else (CWE-1333).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The expression.
    pub expression: String,
    /// Whether it makes a difference between A and a.
    pub is_exact: bool,
}

impl Filter {
    /// Every document.
    pub const EVERYTHING: Self = Self::All(Vec::new());
    /// No document.
    pub const NOTHING: Self = Self::Any(Vec::new());

    /// Those that all of these mean; one alone stands for itself.
    #[must_use]
    pub fn all(mut filters: Vec<Self>) -> Self {
        match filters.len() {
            1 => filters.remove(0),
            _ => Self::All(filters),
        }
    }

    /// Whether it is known without asking that nothing fits.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::All(filters) => filters.iter().any(Self::is_nothing),
            Self::Any(filters) => filters.iter().all(Self::is_nothing),
            Self::Not(_) | Self::Field(..) => false,
        }
    }

    /// As MongoDB reads it.
    #[must_use]
    pub fn document(&self) -> Document {
        let documents = |filters: &[Self]| filters.iter().map(|filter| filter.document().into()).collect();
        match self {
            Self::All(filters) if filters.is_empty() => Document::new(),
            Self::All(filters) => doc! { "$and": Bson::Array(documents(filters)) },
            Self::Any(filters) if filters.is_empty() => doc! { "$nor": [{}] },
            Self::Any(filters) => doc! { "$or": Bson::Array(documents(filters)) },
            Self::Not(filter) => doc! { "$nor": [filter.document()] },
            Self::Field(path, test) => doc! { path.as_str(): test.document() },
        }
    }
}

impl Test {
    fn document(&self) -> Document {
        match self {
            Self::Is(value) => doc! { "$eq": value.clone() },
            Self::IsNot(value) => doc! { "$ne": value.clone() },
            Self::In(values) => doc! { "$in": values.clone() },
            Self::NotIn(values) => doc! { "$nin": values.clone() },
            Self::Compares(comparison, value) => doc! { comparison.operator(): value.clone() },
            Self::Like(pattern) => {
                let options = if pattern.is_exact { "" } else { "i" };
                doc! { "$regex": &pattern.expression, "$options": options }
            }
        }
    }
}

impl Comparison {
    fn operator(self) -> &'static str {
        match self {
            Self::Less => "$lt",
            Self::AtMost => "$lte",
            Self::More => "$gt",
            Self::AtLeast => "$gte",
        }
    }
}
