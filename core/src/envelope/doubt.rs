//! What is probably not meant in a push.
//!
//! In: its members. Out: a sentence about those that nobody knows, and about nobody being named. It refuses nothing.

use super::{Members, Refusal, map};

const MEMBERS: [&str; 6] = ["event", "targets", "payload", "auth", "exclude", "id"];
const TARGETS: [&str; 5] = ["users", "user", "channels", "channel", "broadcast"];
const EXCLUDE: [&str; 4] = ["connections", "connection", "users", "user"];
/// How many unknown members are named, and how many characters of each.
const NAMED: (usize, usize) = (3, 40);

/// Why a push with these members is doubtful, if it is.
pub(super) fn of(members: &Members<'_>, is_nobody: bool) -> Option<Refusal> {
    let inner = |name: &str| members.get(name).and_then(|raw| map(raw)).unwrap_or_default();
    let (targets, exclude) = (inner("targets"), inner("exclude"));
    let found = unknown("", members, &MEMBERS)
        .chain(unknown("targets.", &targets, &TARGETS))
        .chain(unknown("exclude.", &exclude, &EXCLUDE));
    let unknown: Vec<String> = found.take(NAMED.0).collect();
    let nobody = "the push names nobody to tell";
    match (unknown.is_empty(), is_nobody) {
        (true, false) => None,
        (true, true) => {
            let why = format!("{nobody}: targets has neither users nor channels nor broadcast");
            Some(Refusal::new("no_target", why))
        }
        (false, false) => Some(Refusal::new("unknown_member", unknown.join("; "))),
        (false, true) => {
            let why = format!("{}; {nobody}", unknown.join("; "));
            Some(Refusal::new("unknown_member", why))
        }
    }
}

fn unknown<'a>(
    place: &'a str,
    members: &'a Members<'_>,
    allowed: &'a [&str],
) -> impl Iterator<Item = String> + use<'a> {
    let strangers = members.keys().filter(|name| !allowed.contains(&name.as_str()));
    strangers.map(move |name| {
        // Written by a stranger, and on its way to a log (CWE-117).
        let shown: String = name.chars().take(NAMED.1).flat_map(char::escape_default).collect();
        match nearest(name, allowed) {
            Some(meant) => format!("there is no member {place}{shown}, did you mean {place}{meant}?"),
            None => format!("there is no member {place}{shown}, allowed are {}", allowed.join(", ")),
        }
    })
}

/// The word that was probably meant.
#[must_use]
pub fn nearest<'a>(written: &str, allowed: &[&'a str]) -> Option<&'a str> {
    if written.len() > NAMED.1 {
        return None;
    }
    let written = written.to_lowercase();
    let distance = |word: &&'a str| (strsim::osa_distance(&written, word), *word);
    let near = |(distance, word): &(usize, &str)| *distance <= 1 + word.len() / 4 && *distance < word.len();
    allowed.iter().map(distance).filter(near).min().map(|(_, word)| word)
}
