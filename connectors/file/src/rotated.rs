//! Which names a log gets when it is rotated.
//!
//! In: names of files. Out: whether one is a rotated form of another, and which is older. It touches no file.

use std::cmp::Ordering;

/// True when `name` is how a file called `of` may be called after a rotation: with a number, a date or `old` behind it
/// (`app.log.1`, `app.log-20260101`, `app.log.old`), or before its extension (`app-20260101.log`, `app.1.log`).
/// Compressed ones are none.
#[must_use]
pub fn is_rotated(name: &str, of: &str) -> bool {
    if let Some(mark) = name.strip_prefix(of) {
        return is_mark(mark) || mark == ".old";
    }
    let Some((stem, extension)) = of.rsplit_once('.') else {
        return false;
    };
    let mark = name
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(extension)?.strip_suffix('.'));
    mark.is_some_and(is_mark)
}

/// `.1`, `-2026-01-01T10:00`, `_3`: a separator, then digits and what stands between them.
fn is_mark(mark: &str) -> bool {
    let Some(rest) = mark.strip_prefix(['.', '-', '_']) else {
        return false;
    };
    rest.contains(|c: char| c.is_ascii_digit()) && rest.chars().all(|c| c.is_ascii_digit() || ".-_:T".contains(c))
}

/// The order of two rotated names that were last written in the same moment. Of `.1` and `.2` the higher is the older,
/// because a rotation counts them all up; dates, and numbers behind another sign, ascend.
#[must_use]
pub fn by_age(one: &str, other: &str) -> Ordering {
    let counter = |name: &str| name.rsplit_once('.').and_then(|(_, number)| number.parse::<u32>().ok());
    match (counter(one), counter(other)) {
        (Some(one), Some(other)) => other.cmp(&one),
        _ => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_known_and_other_logs_are_not_mistaken_for_them() {
        for name in [
            "app.log.1",
            "app.log.10",
            "app.log-20260101",
            "app.log.2026-01-01T10:00:00",
            "app.log_3",
            "app.log.old",
            "app-20260101.log",
            "app.1.log",
        ] {
            assert!(is_rotated(name, "app.log"), "{name}");
        }
        for name in [
            "app.log",
            "app.log.1.gz",
            "app.log.bak",
            "app.log~",
            "app.log.",
            "app-error.log",
            "app2.log",
            "other.log.1",
            "app.logs",
            "app.",
            ".log",
        ] {
            assert!(!is_rotated(name, "app.log"), "{name}");
        }
        assert!(is_rotated("syslog.1", "syslog") && !is_rotated("syslogd", "syslog"));
    }

    #[test]
    fn higher_numbers_are_older_and_dates_ascend() {
        let mut names = ["a.log.1", "a.log.10", "a.log.2"];
        names.sort_by(|one, other| by_age(one, other));
        assert_eq!(names, ["a.log.10", "a.log.2", "a.log.1"]);
        for (older, newer) in [("a.log-20260101", "a.log-20260102"), ("a.log-0001", "a.log-0002")] {
            assert_eq!(by_age(older, newer), Ordering::Less, "{older}");
        }
    }
}
