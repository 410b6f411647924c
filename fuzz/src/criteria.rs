//! What clients ask of collections in MongoDB.
//!
//! In: a letter that says what is known of the collection, and criteria. Out: a panic when something that was said
//! becomes an operator, when an expression is more than texts between places, or when a question has no bound.

use bson::Bson;

use crate::fields::Fields;
use crate::translator::Question;

/// Every operator that a question may have.
const OPERATORS: [&str; 11] = [
    "$and", "$or", "$nor", "$eq", "$ne", "$in", "$nin", "$lt", "$lte", "$gt", "$gte",
];

/// Reads criteria and looks at what the database would be asked.
pub fn criteria(data: &[u8]) {
    let Some((first, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let mut fields = Fields::default();
    if first & 1 != 0 {
        fields.ids = vec!["node".to_owned()];
        fields.secrets = vec!["password".to_owned(), "=community".to_owned()];
    }
    let question = match Question::read(text, &fields, first & 2 != 0) {
        Ok(question) => question,
        Err(why) => return assert!(!why.is_empty() && !why.contains('\n'), "{why:?}"),
    };
    let mut tests = 0;
    let filter = Bson::from(question.filter.document());
    look(&filter, &fields, 0, &mut tests);
    // Each test has a document of its own, and no more than three around it on every level.
    assert!(tests <= 2_000, "{tests}");
    assert!(question.skip <= 1_000_000);
    for (name, way) in &question.sort {
        path(name, &fields);
        assert!(matches!(way, Bson::Int32(1 | -1)));
    }
    for (name, _) in question.select.iter().flatten() {
        path(name, &fields);
    }
}

fn look(value: &Bson, fields: &Fields, depth: usize, tests: &mut usize) {
    assert!(depth <= 64, "{value}");
    match value {
        Bson::Document(document) => {
            *tests += 1;
            for (name, value) in document {
                match (name.as_str(), value) {
                    ("$regex", Bson::String(expression)) => plain(expression),
                    ("$options", Bson::String(options)) => assert!(matches!(options.as_str(), "" | "i")),
                    ("$regex" | "$options", _) => panic!("{name}: {value}"),
                    (operator, _) if operator.starts_with('$') => {
                        assert!(OPERATORS.contains(&operator), "{operator}");
                        look(value, fields, depth + 1, tests);
                    }
                    (name, Bson::Document(_)) => {
                        path(name, fields);
                        look(value, fields, depth + 1, tests);
                    }
                    _ => panic!("{name}: {value}"),
                }
            }
        }
        Bson::Array(list) => list.iter().for_each(|value| look(value, fields, depth + 1, tests)),
        Bson::String(text) => assert!(text.len() <= 1024),
        Bson::Null
        | Bson::Boolean(_)
        | Bson::Int32(_)
        | Bson::Int64(_)
        | Bson::Double(_)
        | Bson::ObjectId(_)
        | Bson::DateTime(_) => {}
        other => panic!("{other}"),
    }
}

fn path(name: &str, fields: &Fields) {
    assert!(
        !name.is_empty() && name.len() <= 200 && !name.contains(char::is_control),
        "{name:?}"
    );
    for part in name.split('.') {
        assert!(
            !part.is_empty() && !part.starts_with('$') && part != "__proto__",
            "{name:?}"
        );
        assert!(!fields.is_secret(part), "{name:?}");
    }
}

/// Nothing in it is tried twice: letters, each escaped that means something, and few places where anything may stand.
fn plain(expression: &str) {
    let inner = expression.strip_prefix('^').and_then(|rest| rest.strip_suffix('$'));
    let inner = inner.unwrap_or_else(|| panic!("{expression:?}"));
    let mut parts = inner.split(r"[\s\S]*");
    let places = parts.clone().count() - 1;
    assert!(places <= 6, "{expression:?}");
    let is_plain = |part: &str| {
        let mut letters = part.chars();
        while let Some(letter) = letters.next() {
            let is_good = match letter {
                '\\' => letters.next().is_some_and(|next| next.is_ascii_punctuation()),
                letter => !letter.is_ascii_punctuation() || letter == '_',
            };
            if !is_good {
                return false;
            }
        }
        true
    };
    assert!(parts.all(is_plain), "{expression:?}");
    assert!(expression.len() <= 1024);
}
