//! Files that had a followed name in between.
//!
//! In: a name whose file is another one than before, and the book. Out: the files that were called so since, the oldest
//! first: rotated several times between two looks, or while nobody looked at all. It reads no lines.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::book::{Identity, Record};
use crate::rotated::{by_age, is_rotated};
use crate::tail::{Found, Reading, identity, is_same};

/// How often to begin again when files get other names meanwhile.
const ATTEMPTS: usize = 5;
/// How compressed files are called.
const COMPRESSED: [&str; 7] = [".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip"];

/// One entry of the folder.
struct Entry {
    path: PathBuf,
    name: String,
    identity: Identity,
    length: u64,
    modified: SystemTime,
}

/// The files that were called `path` after the one that was written last at `since`, and before `now`. Those of the
/// book are found by their number, whatever they are called in the same folder; others must have a rotated name. At
/// `most` that many. `None` when they get other names all the time: to be asked again later.
pub fn between(
    path: &Path,
    now: Identity,
    since: Option<SystemTime>,
    most: usize,
    reading: &Reading,
) -> Option<Vec<Found>> {
    (0..ATTEMPTS).find_map(|_| attempt(path, now, since, most, reading))
}

fn attempt(
    path: &Path,
    now: Identity,
    since: Option<SystemTime>,
    most: usize,
    reading: &Reading,
) -> Option<Vec<Found>> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let mut entries = list(path.parent()?);
    // When another has the name by now, files in the list may be newer than `now`, and would be read before it.
    if !std::fs::metadata(path).is_ok_and(|meta| identity(&meta) == now) {
        return None;
    }
    // The book is never held while the file system is asked: it may take its time.
    let book = reading.book();
    let known: Vec<Record> = book.of(path).cloned().collect();
    let saved_at = book.saved_at();
    let met: Vec<PathBuf> = entries
        .iter()
        .filter(|entry| entry.identity != now && known.iter().any(|record| record.inode == entry.identity.inode))
        .map(|entry| entry.path.clone())
        .collect();
    entries.retain(|entry| {
        let is_another = book.open_as(entry.identity).is_some() || book.is_own(&entry.path, entry.identity.inode);
        entry.identity != now && !is_another
    });
    drop(book);
    let record = |inode: u64| known.iter().rev().find(|record| record.inode == inode);
    let is_known = |entry: &&Entry| record(entry.identity.inode).is_some();
    let last_known = entries.iter().filter(is_known).map(|entry| entry.modified).max();
    let floor = since.max(last_known).or(saved_at);
    for entry in &entries {
        let plain = COMPRESSED.iter().find_map(|end| entry.name.strip_suffix(end));
        let is_rotated = plain.is_some_and(|plain| is_rotated(plain, &name));
        if is_rotated && floor.is_some_and(|floor| entry.modified > floor) {
            let why = "is not read: it is compressed; lines in it that nobody had read before are lost";
            reading.say(&entry.path, why);
        }
    }
    entries.retain(|entry| {
        let is_late = floor.is_some_and(|floor| entry.modified >= floor);
        match record(entry.identity.inode) {
            Some(record) => is_late || entry.length > record.offset,
            None => is_late && entry.length > 0 && is_rotated(&entry.name, &name),
        }
    });
    entries.sort_by(age);
    let mut files = Vec::new();
    for entry in entries {
        if files.len() == most {
            break;
        }
        match Found::open(&entry.path) {
            Ok(found) if found.identity == entry.identity => {
                let was_read = record(found.identity.inode).is_some_and(|record| record.head.fits(&found.head));
                let original = met.iter().find(|original| !was_read && is_copy(&found, original));
                match original {
                    None => files.push(found),
                    Some(original) => {
                        let why = format!("is not read: it is a copy of {}, byte for byte", original.display());
                        reading.say(&found.path, &why);
                    }
                }
            }
            // One that may not be read is passed over; one that is gone may have another name by now.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                reading.say(&entry.path, &format!("is not read: {error}"));
            }
            Ok(_) | Err(_) => return None,
        }
    }
    Some(files)
}

/// True when `found` holds what the other file holds, no more and no less.
fn is_copy(found: &Found, original: &Path) -> bool {
    let original = Found::open(original);
    original.is_ok_and(|original| {
        original.length == found.length
            && original.identity != found.identity
            && is_same(&original.file, &found.file, found.length)
    })
}

fn age(one: &Entry, other: &Entry) -> Ordering {
    let by_time = one.modified.cmp(&other.modified);
    by_time.then_with(|| by_age(&one.name, &other.name))
}

fn list(folder: &Path) -> Vec<Entry> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let entry = |entry: std::fs::DirEntry| {
        let meta = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Entry {
            path: entry.path(),
            name: entry.file_name().to_string_lossy().into_owned(),
            identity: identity(&meta),
            length: meta.len(),
            modified: meta.modified().ok()?,
        })
    };
    entries.filter_map(|found| found.ok().and_then(entry)).collect()
}
