//! Documents of MongoDB become JSON.
//!
//! In: documents. Out: JSON as a program of Node.js would write it: an ObjectId is 24 hexadecimal digits, a time
//! `2016-01-31T12:30:00.000Z`, and bytes, unlike there, are base64. It leaves out what clients do not get, and stops
//! where an answer would be too long.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::{Bson, Document};
use serde_json::Value;

use crate::fields::Fields;

/// Deepest nesting that is written.
const DEPTH: usize = 48;
/// Up to here a whole number is written as one.
const WHOLE: f64 = 9_007_199_254_740_992.0;
/// The last moment that a time of JavaScript can be, in milliseconds.
const LAST: i64 = 8_640_000_000_000_000;

/// What is not written any more: it would be too long, or too deep.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMuch;

/// Writes one document in at most `room` bytes.
pub fn write(document: &Document, fields: &Fields, room: usize) -> Result<String, TooMuch> {
    let mut writer = Writer {
        out: String::new(),
        room,
        fields,
    };
    writer.document(document, true, 0)?;
    Ok(writer.out)
}

struct Writer<'a> {
    out: String,
    room: usize,
    fields: &'a Fields,
}

impl Writer<'_> {
    /// Members; at the top the key is called `id`, and some fields are hidden.
    fn document(&mut self, document: &Document, is_top: bool, depth: usize) -> Result<(), TooMuch> {
        if depth > DEPTH {
            return Err(TooMuch);
        }
        self.out.push('{');
        let mut is_first = true;
        for (name, value) in document {
            let name = match name.as_str() {
                name if is_top && name == self.fields.key => "id",
                // There is a key by that name already.
                "id" if is_top && document.contains_key(&self.fields.key) => continue,
                name => name,
            };
            let is_kept_back = is_top && self.fields.is_hidden(name) || self.fields.is_secret(name);
            if is_kept_back || matches!(value, Bson::Undefined) {
                continue;
            }
            if !is_first {
                self.out.push(',');
            }
            is_first = false;
            self.text(name);
            self.out.push(':');
            self.value(value, depth + 1)?;
        }
        self.out.push('}');
        self.check()
    }

    fn value(&mut self, value: &Bson, depth: usize) -> Result<(), TooMuch> {
        match value {
            Bson::Document(document) => return self.document(document, false, depth),
            Bson::Array(_) if depth > DEPTH => return Err(TooMuch),
            Bson::Array(list) => {
                self.out.push('[');
                for (at, value) in list.iter().enumerate() {
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.value(value, depth + 1)?;
                }
                self.out.push(']');
            }
            Bson::String(text) | Bson::Symbol(text) | Bson::JavaScriptCode(text) => self.text(text),
            Bson::JavaScriptCodeWithScope(code) => self.text(&code.code),
            Bson::Boolean(is) => self.out.push_str(if *is { "true" } else { "false" }),
            Bson::Int32(number) => self.out.push_str(&number.to_string()),
            Bson::Int64(number) => self.out.push_str(&number.to_string()),
            Bson::Double(number) => self.double(*number),
            Bson::ObjectId(id) => self.text(&id.to_hex()),
            Bson::DateTime(time) => match iso(time.timestamp_millis()) {
                Some(time) => self.text(&time),
                None => self.out.push_str("null"),
            },
            Bson::Binary(binary) => {
                // What cannot fit need not be made.
                if binary.bytes.len() > self.room {
                    return Err(TooMuch);
                }
                self.text(&STANDARD.encode(&binary.bytes));
            }
            Bson::Decimal128(number) => self.text(&number.to_string()),
            Bson::RegularExpression(regex) => {
                self.text(&format!("/{}/{}", regex.pattern.as_str(), regex.options.as_str()))
            }
            Bson::Timestamp(stamp) => {
                let (time, number) = (stamp.time, stamp.increment);
                self.out.push_str(&format!("{{\"t\":{time},\"i\":{number}}}"));
            }
            Bson::Null | Bson::Undefined | Bson::MaxKey | Bson::MinKey | Bson::DbPointer(_) => {
                self.out.push_str("null");
            }
        }
        self.check()
    }

    fn double(&mut self, number: f64) {
        if !number.is_finite() {
            return self.out.push_str("null");
        }
        match number.fract() == 0.0 && number.abs() < WHOLE {
            // 1, not 1.0; and a zero has no sign.
            true => self.out.push_str(&format!("{}", number + 0.0)),
            false => self.out.push_str(&Value::from(number).to_string()),
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(&Value::from(text).to_string());
    }

    fn check(&self) -> Result<(), TooMuch> {
        match self.out.len() > self.room {
            true => Err(TooMuch),
            false => Ok(()),
        }
    }
}

/// A moment in milliseconds since 1970, as JavaScript writes it; `None` for one that it does not know.
fn iso(millis: i64) -> Option<String> {
    if !(-LAST..=LAST).contains(&millis) {
        return None;
    }
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    // Days since the first of March of the year 0, in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{}{:06}", if year < 0 { '-' } else { '+' }, year.abs()),
    };
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    let (seconds, rest) = (rest / 1000 % 60, rest % 1000);
    Some(format!(
        "{year}-{month:02}-{date:02}T{hours:02}:{minutes:02}:{seconds:02}.{rest:03}Z"
    ))
}

#[cfg(test)]
mod tests {
    use bson::oid::ObjectId;
    use bson::spec::BinarySubtype;
    use bson::{Binary, DateTime, Regex, Timestamp, doc};

    use super::*;

    fn written(document: &Document) -> String {
        write(document, &Fields::default(), 100_000).unwrap()
    }

    #[test]
    fn times_are_written_as_in_javascript() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_454_243_400_120, "2016-01-31T12:30:00.120Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_198_755_200_000, "-000001-01-01T00:00:00.000Z"),
            (LAST, "+275760-09-13T00:00:00.000Z"),
            (-LAST, "-271821-04-20T00:00:00.000Z"),
        ] {
            assert_eq!(iso(millis).as_deref(), Some(expected), "{millis}");
        }
        assert_eq!(iso(LAST + 1), None);
        assert_eq!(iso(i64::MIN), None);
    }

    #[test]
    fn every_kind_of_value_has_its_json() {
        let id = ObjectId::parse_str("56173df732776c64852f8c91").unwrap();
        let regex = Regex {
            pattern: "^a".to_owned().try_into().unwrap(),
            options: "i".to_owned().try_into().unwrap(),
        };
        let document = doc! {
            "_id": id, "a": 1, "b": 2_i64, "c": 1.5, "d": 3.0, "e": -0.0, "f": f64::NAN, "g": f64::INFINITY,
            "h": "\u{e9}\"\n", "i": true, "j": null,
            "k": [1, { "_id": id, "id": 7 }, Bson::Undefined],
            "l": Bson::Undefined,
            "m": DateTime::from_millis(0),
            "n": Binary { subtype: BinarySubtype::Generic, bytes: vec![0, 255] },
            "o": Bson::RegularExpression(regex),
            "p": Timestamp { time: 1, increment: 2 },
            "q": Bson::MaxKey,
            "r": Bson::JavaScriptCode("x".to_owned()),
            "s": "1.50".parse::<bson::Decimal128>().unwrap(),
            "t": 1e300,
        };
        assert_eq!(
            written(&document),
            concat!(
                r#"{"id":"56173df732776c64852f8c91","a":1,"b":2,"c":1.5,"d":3,"e":0,"f":null,"g":null,"#,
                r#""h":"é\"\n","i":true,"j":null,"k":[1,{"_id":"56173df732776c64852f8c91","id":7},null],"#,
                r#""m":"1970-01-01T00:00:00.000Z","n":"AP8=","o":"/^a/i","p":{"t":1,"i":2},"q":null,"r":"x","#,
                r#""s":"1.50","t":1e+300}"#
            )
        );
        assert_eq!(written(&doc! {"id": 1, "_id": "a"}), r#"{"id":"a"}"#);
        assert_eq!(written(&doc! {"id": 1}), r#"{"id":1}"#);
    }

    #[test]
    fn what_clients_do_not_get_is_not_written() {
        let fields = Fields {
            hidden: ["id", "createdAt"].map(str::to_owned).into(),
            secrets: ["password", "=community"].map(str::to_owned).into(),
            ..Fields::default()
        };
        let document = doc! {
            "_id": "a", "createdAt": 1,
            "config": {
                "adminPassword": "x", "Community": "x", "communities": 1, "createdAt": 2, "l": [{ "password": 1 }],
            },
        };
        assert_eq!(
            write(&document, &fields, 1000).unwrap(),
            r#"{"config":{"communities":1,"createdAt":2,"l":[{}]}}"#
        );
    }

    #[test]
    fn an_answer_has_its_bounds() {
        let fields = Fields::default();
        assert_eq!(write(&doc! {"a": "x".repeat(100)}, &fields, 100), Err(TooMuch));
        let bytes = Binary {
            subtype: BinarySubtype::Generic,
            bytes: vec![0; 101],
        };
        assert_eq!(write(&doc! {"a": bytes}, &fields, 100), Err(TooMuch));
        let mut deep = doc! {};
        let mut list = Bson::Null;
        for _ in 0..200 {
            deep = doc! {"a": deep};
            list = Bson::Array(vec![list]);
        }
        assert_eq!(write(&deep, &fields, 100_000), Err(TooMuch));
        assert_eq!(write(&doc! {"a": list}, &fields, 100_000), Err(TooMuch));
    }
}
