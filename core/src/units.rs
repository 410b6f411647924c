//! What flows in: durations and sizes as people write them. What flows out: `Duration` and a number of bytes, and back
//! again. Refuses to know: which setting they belong to and what range it allows.

use std::fmt;
use std::time::Duration;

/// Longer than anything here can mean, short enough that adding it to a clock never overflows.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// More than one machine has to give to a queue or a log.
const LARGEST: u64 = 1 << 40;

/// `#[serde(with = "duration")]`: `"120s"`, `"2m"`, `"1h 30m"`, `"500ms"`.
pub mod duration {
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    use super::{Duration, LONGEST, fmt};

    /// As `1h 30m`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    /// A text with units.
    ///
    /// # Errors
    /// When it is none, or means more than a year.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Duration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as \"120s\" or \"2m\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
                let wrong = |_| E::invalid_value(serde::de::Unexpected::Other("this text"), &self);
                let duration = humantime::parse_duration(text.trim()).map_err(wrong)?;
                if duration > LONGEST {
                    return Err(E::custom("must be at most a year"));
                }
                Ok(duration)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// `#[serde(with = "size")]`: `65536`, `"64 KiB"`, `"1 MiB"`, `"1.5 MB"`.
pub mod size {
    use serde::de::{Deserializer, Error, Unexpected, Visitor};
    use serde::ser::Serializer;

    use super::{LARGEST, fmt, format_size, parse_size};

    /// As `64 KiB`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_size(*bytes))
    }

    /// A text with a unit, or a number of bytes.
    ///
    /// # Errors
    /// When it is neither, or means more than 1024 GiB.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = usize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"64 KiB\" or \"1 MiB\", or a number of bytes")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<usize, E> {
                let bytes = parse_size(text).ok_or_else(|| E::invalid_value(Unexpected::Other("this text"), &self))?;
                self.visit_u64(bytes)
            }
            fn visit_i64<E: Error>(self, bytes: i64) -> Result<usize, E> {
                let bytes = u64::try_from(bytes).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))?;
                self.visit_u64(bytes)
            }
            fn visit_u64<E: Error>(self, bytes: u64) -> Result<usize, E> {
                let fits = usize::try_from(bytes).ok().filter(|_| bytes <= LARGEST);
                fits.ok_or_else(|| E::custom("must be at most 1024 GiB"))
            }
        }
        deserializer.deserialize_any(Bytes)
    }
}

const UNITS: [(&str, u64); 7] = [
    ("gib", 1 << 30),
    ("mib", 1 << 20),
    ("kib", 1 << 10),
    ("gb", 1_000_000_000),
    ("mb", 1_000_000),
    ("kb", 1_000),
    ("b", 1),
];

/// The number of bytes, if the text is a number, perhaps with a fraction of up to nine digits, and perhaps a unit.
/// A fraction of a byte is dropped.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let number_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| *name == unit || (unit.is_empty() && *name == "b"))?;
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, "0"));
    let digits = u32::try_from(fraction.len())
        .ok()
        .filter(|digits| (1..=9).contains(digits))?;
    let bytes = whole.parse::<u64>().ok()?.checked_mul(*factor)?;
    bytes.checked_add(fraction.parse::<u64>().ok()?.checked_mul(*factor)? / 10_u64.pow(digits))
}

/// The shortest exact form: `64 KiB`, `1 MiB`, `1000 B`.
#[must_use]
pub fn format_size(bytes: usize) -> String {
    for (name, unit) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("65_536", Some(65_536)),
            ("64 KiB", Some(65_536)),
            ("64kib", Some(65_536)),
            ("1 MB", Some(1_000_000)),
            ("1.5 MiB", Some(1_572_864)),
            (" 2 GiB ", Some(2 << 30)),
            ("7 b", Some(7)),
            ("", None),
            ("KiB", None),
            ("1.", None),
            (".5 MiB", None),
            ("1.2.3 KiB", None),
            ("-1 KiB", None),
            ("1 parsec", None),
            ("99999999999999999999", None),
            ("99999999999999999 GiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn a_shown_size_reads_back_exactly() {
        for bytes in [0, 1, 1000, 1024, 1025, 65_536, 1 << 20, (1 << 20) + 1, 3 << 30] {
            assert_eq!(parse_size(&format_size(bytes)), Some(bytes as u64));
        }
    }
}
