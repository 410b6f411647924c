//! Which criteria mean what, and which mean nothing.

use bson::Bson;

use super::*;

fn fields() -> Fields {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Fields {
        ids: names(&["node"]),
        secrets: names(&["password", "=community"]),
        ..Fields::default()
    }
}

fn read(criteria: &str) -> Result<Question, String> {
    Question::read(criteria, &fields(), false)
}

/// What MongoDB is asked, in the notation of its shell.
fn asked(criteria: &str) -> String {
    match read(criteria) {
        Ok(question) if question.filter.is_nothing() => "nothing".to_owned(),
        Ok(question) => shell(&question.filter.document().into()),
        Err(why) => panic!("{criteria}: {why}"),
    }
}

fn shell(value: &Bson) -> String {
    match value {
        Bson::Document(document) => {
            let members: Vec<String> = document
                .iter()
                .map(|(name, value)| format!("{name}: {}", shell(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Bson::Array(list) => {
            let values: Vec<String> = list.iter().map(shell).collect();
            format!("[{}]", values.join(", "))
        }
        Bson::String(text) => format!("'{text}'"),
        Bson::ObjectId(id) => format!("ObjectId({})", id.to_hex()),
        Bson::DateTime(time) => format!("Date({})", time.timestamp_millis()),
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => format!("Long({number})"),
        Bson::Double(number) => format!("Double({number})"),
        other => other.to_string(),
    }
}

const ID: &str = "56173df732776c64852f8c91";

#[test]
fn each_form_means_what_it_means_in_waterline() {
    let by_id = format!("{{_id: {{$in: [ObjectId({ID}), '{ID}']}}}}");
    for (criteria, expected) in [
        ("null", "{}".to_owned()),
        ("{}", "{}".to_owned()),
        (r#"{"where":null}"#, "{}".to_owned()),
        (r#"{"where":{}}"#, "{}".to_owned()),
        // One id, or several.
        (&format!("{ID:?}"), by_id.clone()),
        ("7", "{_id: {$eq: 7}}".to_owned()),
        (r#""a-b%""#, "{_id: {$eq: 'a-b%'}}".to_owned()),
        (r#"["a", 7]"#, "{_id: {$in: ['a', 7]}}".to_owned()),
        ("[]", "nothing".to_owned()),
        (
            r#"[{"a":1},{"b":2}]"#,
            "{$or: [{a: {$eq: 1}}, {b: {$eq: 2}}]}".to_owned(),
        ),
        (&format!(r#"{{"id":"{ID}"}}"#), by_id.clone()),
        (&format!(r#"{{"_id":"{ID}"}}"#), by_id),
        (r#"{"id":null}"#, "{_id: {$eq: null}}".to_owned()),
        (
            &format!(r#"{{"node":"{ID}"}}"#),
            format!("{{node: {{$in: [ObjectId({ID}), '{ID}']}}}}"),
        ),
        (&format!(r#"{{"other":"{ID}"}}"#), format!("{{other: {{$eq: '{ID}'}}}}")),
        (r#"{"id":{"!":"a"}}"#, "{_id: {$ne: 'a'}}".to_owned()),
        (
            &format!(r#"{{"id":{{"!":"{ID}"}}}}"#),
            format!("{{_id: {{$nin: [ObjectId({ID}), '{ID}']}}}}"),
        ),
        (
            &format!(r#"{{"id":{{">":"{ID}"}}}}"#),
            format!("{{_id: {{$gt: ObjectId({ID})}}}}"),
        ),
        // Equality: texts whatever their case, % is anything.
        (
            r#"{"a":1,"b":true}"#,
            "{$and: [{a: {$eq: 1}}, {b: {$eq: true}}]}".to_owned(),
        ),
        (r#"{"a":1.5}"#, "{a: {$eq: Double(1.5)}}".to_owned()),
        (r#"{"a":4294967296}"#, "{a: {$eq: Long(4294967296)}}".to_owned()),
        (
            r#"{"a":18446744073709551615}"#,
            "{a: {$eq: Double(18446744073709552000)}}".to_owned(),
        ),
        (r#"{"a":null}"#, "{a: {$eq: null}}".to_owned()),
        (r#"{"a.b.0":"é"}"#, "{a.b.0: {$regex: '^é$', $options: 'i'}}".to_owned()),
        (
            r#"{"a":"b%c%%"}"#,
            r"{a: {$regex: '^b[\s\S]*c[\s\S]*$', $options: 'i'}}".to_owned(),
        ),
        (r#"{"a":""}"#, "{a: {$regex: '^$', $options: 'i'}}".to_owned()),
        // One of several.
        (r#"{"a":["b%",1,null]}"#, "{a: {$in: ['b%', 1, null]}}".to_owned()),
        (r#"{"a":[]}"#, "nothing".to_owned()),
        (r#"{"a":{"!":["b"]}}"#, "{a: {$nin: ['b']}}".to_owned()),
        (r#"{"a":{"!":[]}}"#, "{}".to_owned()),
        // Times.
        (
            r#"{"createdAt":"2016-01-31"}"#,
            "{createdAt: {$eq: Date(1454198400000)}}".to_owned(),
        ),
        (
            r#"{"createdAt":{">=":"2016-01-31T12:30:00.120Z"}}"#,
            "{createdAt: {$gte: Date(1454243400120)}}".to_owned(),
        ),
        (r#"{"createdAt":null}"#, "{createdAt: {$eq: null}}".to_owned()),
        // Either.
        (
            r#"{"or":[{"a":1},{"b":{">":2}}]}"#,
            "{$or: [{a: {$eq: 1}}, {b: {$gt: 2}}]}".to_owned(),
        ),
        (
            r#"{"OR":[{"a":1}],"c":3}"#,
            "{$and: [{$or: [{a: {$eq: 1}}]}, {c: {$eq: 3}}]}".to_owned(),
        ),
        (r#"{"or":[{"a":[]},{"b":1}]}"#, "{$or: [{b: {$eq: 1}}]}".to_owned()),
        (r#"{"or":[]}"#, "nothing".to_owned()),
        (
            r#"{"or":[{"or":[{"a":1}]}]}"#,
            "{$or: [{$or: [{a: {$eq: 1}}]}]}".to_owned(),
        ),
        // With options beside it or around it.
        (r#"{"a":1,"limit":5}"#, "{a: {$eq: 1}}".to_owned()),
        (r#"{"where":{"a":1,"skip":1},"limit":5}"#, "{a: {$eq: 1}}".to_owned()),
        (
            r#"{"like":{"a":"x%","b":"y"}}"#,
            r"{$and: [{a: {$regex: '^x[\s\S]*$', $options: 'i'}}, {b: {$regex: '^y$', $options: 'i'}}]}".to_owned(),
        ),
    ] {
        assert_eq!(asked(criteria), expected, "{criteria}");
    }
}

#[test]
fn every_modifier_by_each_of_its_names() {
    for (names, expected) in [
        (&["<", "lessThan", "lt", "LT"][..], "$lt"),
        (&["<=", "lessThanOrEqual", "lte"], "$lte"),
        (&[">", "greaterThan", "gt"], "$gt"),
        (&[">=", "greaterThanOrEqual", "gte"], "$gte"),
        (&["!", "not", "NOT"], "$ne"),
    ] {
        for name in names {
            let criteria = format!(r#"{{"a":{{"{name}":7}}}}"#);
            assert_eq!(asked(&criteria), format!("{{a: {{{expected}: 7}}}}"));
            let criteria = format!(r#"{{"a":{{"{name}":"B%"}}}}"#);
            assert_eq!(
                asked(&criteria),
                format!("{{a: {{{expected}: 'B%'}}}}"),
                "texts as they are"
            );
        }
    }
    for (name, expected) in [
        ("like", r"^b\.[\s\S]*$"),
        ("contains", r"^[\s\S]*b\.\%[\s\S]*$"),
        ("startsWith", r"^b\.\%[\s\S]*$"),
        ("endsWith", r"^[\s\S]*b\.\%$"),
    ] {
        let criteria = format!(r#"{{"a":{{"{name}":"b.%"}}}}"#);
        assert_eq!(
            asked(&criteria),
            format!("{{a: {{$regex: '{expected}', $options: 'i'}}}}")
        );
    }
    assert_eq!(
        asked(r#"{"a":{">":1,"<=":5}}"#),
        "{$and: [{a: {$lte: 5}}, {a: {$gt: 1}}]}"
    );
    assert_eq!(
        asked(r#"{"a":{"!":{"contains":"x","endsWith":"y"}}}"#),
        r"{$nor: [{$and: [{a: {$regex: '^[\s\S]*x[\s\S]*$', $options: 'i'}}, ".to_owned()
            + r"{a: {$regex: '^[\s\S]*y$', $options: 'i'}}]}]}"
    );
}

#[test]
fn the_case_of_texts_counts_where_it_is_wanted() {
    let exact = |criteria| {
        shell(
            &Question::read(criteria, &fields(), true)
                .unwrap()
                .filter
                .document()
                .into(),
        )
    };
    assert_eq!(exact(r#"{"a":"B"}"#), "{a: {$eq: 'B'}}");
    assert_eq!(exact(r#"{"a":"B%"}"#), r"{a: {$regex: '^B[\s\S]*$', $options: ''}}");
    assert_eq!(
        exact(r#"{"a":{"contains":"B"}}"#),
        r"{a: {$regex: '^[\s\S]*B[\s\S]*$', $options: ''}}"
    );
}

#[test]
fn order_number_and_choice_are_read_in_each_of_their_forms() {
    for (criteria, sort, skip, limit, select) in [
        ("{}", "{}", 0, None, None),
        (r#"{"sort":"b"}"#, "{b: 1}", 0, None, None),
        (r#"{"sort":"id DESC"}"#, "{_id: -1}", 0, None, None),
        // In the order in which they are said.
        (
            r#"{"sort":{"b":-1,"a":"asc","c":0,"d":"Desc","e":7}}"#,
            "{b: -1, a: 1, c: -1, d: -1, e: 1}",
            0,
            None,
            None,
        ),
        (
            r#"{"where":{"sort":{"z":1,"a":1}},"sort":"b"}"#,
            "{z: 1, a: 1}",
            0,
            None,
            None,
        ),
        (r#"{"where":{"a":1},"sort":{"b":0}}"#, "{b: -1}", 0, None, None),
        (
            r#"{"sort":null,"limit":null,"skip":null,"select":null}"#,
            "{}",
            0,
            None,
            None,
        ),
        (r#"{"skip":10,"limit":20}"#, "{}", 10, Some(20), None),
        (r#"{"skip":"10","limit":"20"}"#, "{}", 10, Some(20), None),
        (r#"{"skip":-1,"limit":-1}"#, "{}", 0, None, None),
        (r#"{"limit":0}"#, "{}", 0, None, None),
        (r#"{"where":{"limit":3},"skip":2}"#, "{}", 2, Some(3), None),
        (r#"{"select":["id","a.b"]}"#, "{}", 0, None, Some("{_id: 1, a.b: 1}")),
    ] {
        let question = read(criteria).unwrap();
        assert_eq!(shell(&question.sort.into()), sort, "{criteria}");
        assert_eq!((question.skip, question.limit), (skip, limit), "{criteria}");
        let selected = question.select.map(|select| shell(&select.into()));
        assert_eq!(selected.as_deref(), select, "{criteria}");
    }
}

#[test]
fn nothing_that_is_said_becomes_an_operator_or_a_program() {
    for criteria in [
        // CWE-943.
        r#"{"$where":"sleep(1000)"}"#,
        r#"{"where":{"$where":"1"}}"#,
        r#"{"$or":[{"a":1}]}"#,
        r#"{"$and":[{}]}"#,
        r#"{"$expr":{}}"#,
        r#"{"or":[{"$where":"1"}]}"#,
        r#"{"a.$where":"1"}"#,
        r#"{"a":{"$gt":""}}"#,
        r#"{"a":{"$ne":null}}"#,
        r#"{"a":{"!":{"$regex":".*"}}}"#,
        r#"{"a":{"$regex":"(a+)+$"}}"#,
        r#"{"a":{"regex":"(a+)+$"}}"#,
        r#"{"id":{"$oid":"56173df732776c64852f8c91"}}"#,
        r#"{"a":{"$date":"2016-01-31"}}"#,
        r#"{"a":{"!":{"b":1}}}"#,
        r#"{"a":[{"$gt":1}]}"#,
        r#"{"a":[["b"]]}"#,
        r#"{"a":{">":{"$gt":1}}}"#,
        r#"{"a":{">":[1]}}"#,
        r#"{"sort":{"$natural":1}}"#,
        r#"{"sort":"$natural"}"#,
        r#"{"select":["$where"]}"#,
        r#"{"select":{"a":{"$slice":1}}}"#,
        r#"{"like":{"$where":"x"}}"#,
        // CWE-1321.
        r#"{"__proto__":"1"}"#,
        r#"{"a.__proto__.b":"1"}"#,
        r#"{"":1}"#,
        r#"{"a..b":1}"#,
        r#"{"a\u0000b":1}"#,
        // CWE-203: what clients do not get is not found out by asking.
        r#"{"config.password":{"startsWith":"a"}}"#,
        r#"{"or":[{"config.rootPassword":"a"}]}"#,
        r#"{"sort":"config.community"}"#,
        r#"{"select":["config.community"]}"#,
        r#"{"like":{"password":"a%"}}"#,
        // Nothing that there is.
        r#"{"a":{"within":1}}"#,
        r#"{"a":{}}"#,
        r#"{"a":{"contains":1}}"#,
        r#"{"a":{"like":["b"]}}"#,
        r#"{"or":{"a":1}}"#,
        r#"{"or":[1]}"#,
        r#"{"like":"a"}"#,
        r#"{"where":1}"#,
        r#"{"where":{"where":{}}}"#,
        r#"{"where":{},"a":1}"#,
        r#"{"groupBy":["a"],"sum":["b"]}"#,
        r#"{"where":{"average":"a"}}"#,
        r#"{"createdAt":"yesterday"}"#,
        r#"{"createdAt":{">":"2016-13-01"}}"#,
        "true",
        r#"[{"a":1},2]"#,
        r#"{"limit":"many"}"#,
        r#"{"limit":1.5}"#,
        r#"{"skip":true}"#,
        r#"{"sort":"a b c"}"#,
        r#"{"sort":"a up"}"#,
        r#"{"sort":""}"#,
        r#"{"sort":{"a":null}}"#,
        r#"{"sort":["a"]}"#,
        r#"{"sort":"a","sort":"b"}"#,
        r#"{"select":[1]}"#,
    ] {
        let why = read(criteria).expect_err(criteria);
        assert!(!why.is_empty() && why.len() < 300, "{criteria}: {why}");
    }
}

#[test]
fn what_would_take_long_is_refused() {
    let many = |count: usize, one: &str| vec![one; count].join(",");
    let deep = (0..9).fold(r#"{"a":1}"#.to_owned(), |inner, _| format!(r#"{{"or":[{inner}]}}"#));
    let never = (0..10).fold("1".to_owned(), |inner, _| format!(r#"{{"!":{inner}}}"#));
    for criteria in [
        // CWE-1333, CWE-400, CWE-674.
        r#"{"a":"%a%a%a%a%a%a%a%"}"#.to_owned(),
        format!(r#"{{"a":{{"contains":"{}"}}}}"#, "x".repeat(257)),
        r#"{"a":{"contains":"\u0000"}}"#.to_owned(),
        format!(r#"{{"a":["{}"]}}"#, "x".repeat(1025)),
        format!(r#"{{"a":[{}]}}"#, many(2001, "1")),
        format!(r#"{{"or":[{}]}}"#, many(201, r#"{"a":1}"#)),
        format!(r#"{{"or":[{}]}}"#, many(201, "{}")),
        format!(r#"{{"select":[{}]}}"#, many(33, r#""a""#)),
        r#"{"skip":1000001}"#.to_owned(),
        format!(r#"{{"{}":1}}"#, "x".repeat(201)),
        deep,
        format!(r#"{{"a":{never}}}"#),
    ] {
        assert!(read(&criteria).is_err(), "{criteria}");
    }
    // Each letter stands for itself, and nothing is tried twice.
    assert_eq!(
        asked(r#"{"a":{"contains":"(a+)+$|[^b]{2}\\"}}"#),
        r"{a: {$regex: '^[\s\S]*\(a\+\)\+\$\|\[\^b\]\{2\}\\[\s\S]*$', $options: 'i'}}"
    );
    assert_eq!(
        asked(r#"{"a":"%%%%%%%%%%"}"#),
        r"{a: {$regex: '^[\s\S]*$', $options: 'i'}}"
    );
}
