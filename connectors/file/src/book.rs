//! Which file was read how far.
//!
//! In: files that are opened, and lines that have their receipts. Out: where to go on when a file is met again, by
//! whatever name, in this process or the next. It does no I/O: whoever calls looks at the files and saves
//! [`Book::json`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::rotated::is_rotated;

/// How many files that are not open any more are remembered.
const CLOSED: usize = 1000;
/// The form of the saved book.
const VERSION: u32 = 1;

/// One content of one file: it ends when the file is truncated or written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(u64);

/// Which file this is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The file system it is on. Not compared with what was saved: it may change when the system starts anew.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// What is known about one content of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name, the last time it was met.
    pub path: PathBuf,
    #[serde(skip)]
    device: u64,
    /// Its number on its file system.
    pub inode: u64,
    /// The first byte that is not done with.
    pub offset: u64,
    /// How it begins.
    pub head: Fingerprint,
    #[serde(skip)]
    is_open: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    files: Vec<Record>,
}

/// All records, the oldest first.
#[derive(Debug, Clone, Default)]
pub struct Book {
    records: BTreeMap<RecordId, Record>,
    next: u64,
    is_changed: bool,
    saved_at: Option<SystemTime>,
}

impl Book {
    /// A book as it was saved, and when.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(json: &[u8], saved_at: Option<SystemTime>) -> Result<Self, String> {
        let saved: Saved = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if saved.version != VERSION {
            return Err(format!("it has version {}, known is {VERSION}", saved.version));
        }
        let mut book = Self::default();
        for record in saved.files {
            book.insert(record);
        }
        (book.is_changed, book.saved_at) = (false, saved_at);
        Ok(book)
    }

    /// The book to save.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn json(&self) -> Result<Vec<u8>, String> {
        let files = self.records.values().cloned().collect();
        serde_json::to_vec(&Saved {
            version: VERSION,
            files,
        })
        .map_err(|error| error.to_string())
    }

    /// True when something was noted since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// It was not saved after all.
    pub fn touch(&mut self) {
        self.is_changed = true;
    }

    /// Begins a record; everything before `offset` is done with.
    pub fn open(&mut self, path: &Path, identity: Identity, offset: u64, head: Fingerprint) -> (RecordId, Record) {
        self.forget();
        let record = Record {
            path: path.to_owned(),
            device: identity.device,
            inode: identity.inode,
            offset,
            head,
            is_open: true,
        };
        (self.insert(record.clone()), record)
    }

    /// Opens the record of a file that was met before, and gives the place where to go on. `length` is that of the
    /// file, `head` its first bytes. Where files get new numbers (by `rsync`, on some network file systems) a file of
    /// the same name that begins the same way and goes on is taken for the same.
    pub fn resume(&mut self, path: &Path, identity: Identity, head: &[u8], length: u64) -> Option<(RecordId, Record)> {
        let may_be = |record: &Record| !record.is_open && record.offset <= length && record.head.fits(head);
        let same_file =
            |record: &Record| record.inode == identity.inode && (!record.head.is_empty() || record.path == path);
        let same_text = |record: &Record| record.path == path && record.head.is_full();
        let found = self.latest(|record| same_file(record) && may_be(record));
        let id = found.or_else(|| self.latest(|record| same_text(record) && may_be(record)))?;
        let record = self.records.get_mut(&id)?;
        record.path = path.to_owned();
        (record.device, record.inode) = (identity.device, identity.inode);
        record.is_open = true;
        self.is_changed = true;
        Some((id, record.clone()))
    }

    /// Everything before `offset` is done with.
    pub fn note(&mut self, id: RecordId, offset: u64, head: Fingerprint) {
        if let Some(record) = self.records.get_mut(&id) {
            record.offset = offset;
            record.head = head;
            self.is_changed = true;
        }
    }

    /// The file has another number now, and goes on.
    pub fn identify(&mut self, id: RecordId, identity: Identity) {
        if let Some(record) = self.records.get_mut(&id) {
            (record.device, record.inode) = (identity.device, identity.inode);
            self.is_changed = true;
        }
    }

    /// When the book was saved that this one began with.
    #[must_use]
    pub fn saved_at(&self) -> Option<SystemTime> {
        self.saved_at
    }

    /// The file is not held open any more, or its content is gone.
    pub fn close(&mut self, id: RecordId) {
        if let Some(record) = self.records.get_mut(&id) {
            record.is_open = false;
        }
    }

    /// Nothing is open: the beginning of another attempt.
    pub fn close_all(&mut self) {
        for record in self.records.values_mut() {
            record.is_open = false;
        }
    }

    /// True while somebody reads this file.
    #[must_use]
    pub fn is_open(&self, identity: Identity) -> bool {
        let is_it =
            |record: &Record| record.is_open && (record.device, record.inode) == (identity.device, identity.inode);
        self.records.values().any(is_it)
    }

    /// True when something that had this name was read before.
    #[must_use]
    pub fn knows(&self, path: &Path) -> bool {
        self.of(path).next().is_some()
    }

    /// What had this name, the oldest first.
    pub fn of(&self, path: &Path) -> impl Iterator<Item = &Record> {
        self.records.values().filter(move |record| record.path == path)
    }

    /// True when the file of this name, which begins with `head`, is a copy that a rotation (`copytruncate`) made of
    /// one that was read itself.
    #[must_use]
    pub fn is_copy(&self, path: &Path, head: &[u8]) -> bool {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(copy) = name(path) else {
            return false;
        };
        self.records.values().any(|record| {
            !record.head.is_empty()
                && record.path.parent() == path.parent()
                && name(&record.path).is_some_and(|original| is_rotated(&copy, &original))
                && record.head.fits(head)
        })
    }

    fn insert(&mut self, record: Record) -> RecordId {
        self.next += 1;
        self.is_changed = true;
        self.records.insert(RecordId(self.next), record);
        RecordId(self.next)
    }

    fn latest(&self, is_it: impl Fn(&Record) -> bool) -> Option<RecordId> {
        let mut newest_first = self.records.iter().rev();
        newest_first.find(|(_, record)| is_it(record)).map(|(id, _)| *id)
    }

    fn forget(&mut self) {
        let closed: Vec<RecordId> = self
            .records
            .iter()
            .filter(|(_, record)| !record.is_open)
            .map(|(id, _)| *id)
            .collect();
        for id in closed.iter().take(closed.len().saturating_sub(CLOSED)) {
            self.records.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64) -> Identity {
        Identity { device: 1, inode }
    }

    fn opened(book: &mut Book, path: &str, inode: u64, text: &str) -> RecordId {
        let (id, _) = book.open(Path::new(path), file(inode), 0, Fingerprint::default());
        book.note(id, text.len() as u64, Fingerprint::of(text.as_bytes()));
        id
    }

    /// Where to go on with a file that has this text now.
    fn met(book: &Book, path: &str, inode: u64, text: &str) -> Option<u64> {
        let mut book = book.clone();
        book.close_all();
        let found = book.resume(Path::new(path), file(inode), text.as_bytes(), text.len() as u64);
        found.map(|(_, record)| record.offset)
    }

    #[test]
    fn a_file_is_known_by_number_and_beginning_whatever_its_name() {
        let mut book = Book::default();
        opened(&mut book, "/a.log", 7, "one\n");
        assert_eq!(met(&book, "/a.log", 7, "one\ntwo\n"), Some(4));
        assert_eq!(met(&book, "/a.log.1", 7, "one\ntwo\n"), Some(4), "it was renamed");
        assert_eq!(
            met(&book, "/a.log", 7, "two\ntwo\n"),
            None,
            "its number was given to another"
        );
        assert_eq!(met(&book, "/a.log", 7, "on"), None, "it was truncated");
        assert_eq!(
            met(&book, "/a.log", 8, "one\ntwo\n"),
            None,
            "too short to be taken for the same"
        );
        let long = "x".repeat(2000);
        opened(&mut book, "/b.log", 9, &long);
        assert_eq!(
            met(&book, "/b.log", 10, &format!("{long}y")),
            Some(2000),
            "it was replaced by a copy that goes on"
        );
        assert_eq!(met(&book, "/c.log", 10, &format!("{long}y")), None);
    }

    #[test]
    fn what_is_open_is_not_opened_twice() {
        let mut book = Book::default();
        let id = opened(&mut book, "/a.log", 7, "one\n");
        assert!(book.is_open(file(7)) && !book.is_open(Identity { device: 2, inode: 7 }));
        assert!(book.resume(Path::new("/a.log.1"), file(7), b"one\n", 4).is_none());
        book.close(id);
        assert!(!book.is_open(file(7)));
        assert!(book.resume(Path::new("/a.log.1"), file(7), b"one\n", 4).is_some());
    }

    #[test]
    fn a_copy_is_known_by_its_name_and_its_beginning() {
        let mut book = Book::default();
        opened(&mut book, "/log/a.log", 7, "one\n");
        assert!(book.is_copy(Path::new("/log/a.log.1"), b"one\nunread\n"));
        for (path, head) in [
            ("/log/a.log.1", "two\n"),
            ("/log/b.log", "one\n"),
            ("/a.log.1", "one\n"),
        ] {
            assert!(!book.is_copy(Path::new(path), head.as_bytes()), "{path} {head}");
        }
    }

    #[test]
    fn it_reads_what_it_has_saved_and_nothing_else() {
        let mut book = Book::default();
        opened(&mut book, "/a.log", 7, "one\n");
        assert!(book.take_changed() && !book.take_changed());
        let saved = book.json().unwrap();
        let again = Book::parse(&saved, None).unwrap();
        assert_eq!(again.json().unwrap(), saved);
        assert_eq!(met(&again, "/a.log", 7, "one\n"), Some(4));
        for wrong in [
            "",
            "{}",
            "[]",
            r#"{"version":2,"files":[]}"#,
            &String::from_utf8(saved).unwrap()[..20],
        ] {
            assert!(Book::parse(wrong.as_bytes(), None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut book = Book::default();
        for inode in 0..3 * CLOSED as u64 {
            let id = opened(&mut book, "/a.log", inode, "one\n");
            book.close(id);
        }
        assert!(book.records.len() <= CLOSED + 1);
    }
}
