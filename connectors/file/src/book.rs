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
    /// When it was noticed that the file does not hold this any more.
    #[serde(skip)]
    cut: Option<SystemTime>,
    /// Nobody may go on with it: a copy does, or it is too long ago that it was cut.
    #[serde(skip)]
    is_done: bool,
}

impl Record {
    /// True while somebody reads it, or lines of it are on their way.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// When it was noticed that the file does not hold this any more.
    #[must_use]
    pub fn cut(&self) -> Option<SystemTime> {
        self.cut
    }
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
            book.cut(&record.path, record.inode, None);
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
        self.cut(path, identity.inode, Some(SystemTime::now()));
        let record = Record {
            path: path.to_owned(),
            device: identity.device,
            inode: identity.inode,
            offset,
            head,
            is_open: true,
            cut: None,
            is_done: false,
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

    /// The name under which somebody reads this file.
    #[must_use]
    pub fn open_as(&self, identity: Identity) -> Option<&Path> {
        let is_it =
            |record: &&Record| record.is_open && (record.device, record.inode) == (identity.device, identity.inode);
        self.records.values().find(is_it).map(|record| &*record.path)
    }

    /// True when this file was read under this name before: it is a log of its own.
    #[must_use]
    pub fn is_own(&self, path: &Path, inode: u64) -> bool {
        let of_file = self.latest(|record| record.inode == inode);
        of_file.is_some_and(|id| self.records.get(&id).is_some_and(|record| record.path == path))
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

    /// What the file of this name, which begins with `head`, may be a copy of by these two alone; the newest first.
    #[must_use]
    pub fn originals(&self, path: &Path, head: &[u8]) -> Vec<(RecordId, Record)> {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(copy) = name(path) else {
            return Vec::new();
        };
        let may_be = |record: &Record| {
            !record.is_done
                && !record.head.is_empty()
                && record.path.parent() == path.parent()
                && name(&record.path).is_some_and(|original| is_rotated(&copy, &original))
                && record.head.fits(head)
        };
        let newest_first = self.records.iter().rev();
        let found = newest_first.filter(|(_, record)| may_be(record));
        found.map(|(id, record)| (*id, record.clone())).collect()
    }

    /// The file of the record `copy` holds what was read under `original`: it goes on there, and no other does.
    pub fn go_on(&mut self, original: RecordId, copy: RecordId) -> Option<Record> {
        let from = self.records.get_mut(&original)?;
        from.is_done = true;
        let (offset, head) = (from.offset, from.head);
        self.note(copy, offset, head);
        self.records.get(&copy).cloned()
    }

    /// The file of this name and number does not hold what was read of it before. Without a time nobody looks for a
    /// copy of that any more.
    fn cut(&mut self, path: &Path, inode: u64, at: Option<SystemTime>) {
        let of_file = |record: &&mut Record| record.inode == inode && record.path == path && record.cut.is_none();
        for record in self.records.values_mut().filter(of_file) {
            record.cut = at;
            record.is_done |= at.is_none();
        }
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
        assert_eq!(book.open_as(file(7)), Some(Path::new("/a.log")));
        assert_eq!(book.open_as(Identity { device: 2, inode: 7 }), None);
        assert!(book.resume(Path::new("/a.log.1"), file(7), b"one\n", 4).is_none());
        book.close(id);
        assert_eq!(book.open_as(file(7)), None);
        assert!(book.resume(Path::new("/a.log.1"), file(7), b"one\n", 4).is_some());
    }

    #[test]
    fn a_name_and_a_beginning_make_a_suspect_and_only_one_file_goes_on_with_it() {
        let mut book = Book::default();
        let original = opened(&mut book, "/log/a.log", 7, "one\n");
        let suspects = |book: &Book, path: &str, head: &str| book.originals(Path::new(path), head.as_bytes()).len();
        assert_eq!(suspects(&book, "/log/a.log.1", "one\nunread\n"), 1);
        for (path, head) in [
            ("/log/a.log.1", "two\n"),
            ("/log/b.log", "one\n"),
            ("/a.log.1", "one\n"),
        ] {
            assert_eq!(suspects(&book, path, head), 0, "{path} {head}");
        }
        let (anew, _) = book.open(Path::new("/log/a.log"), file(7), 0, Fingerprint::default());
        assert!(book.records[&original].cut().is_some() && book.records[&anew].cut().is_none());
        let (copy, _) = book.open(Path::new("/log/a.log.1"), file(8), 0, Fingerprint::default());
        assert_eq!(book.go_on(original, copy).unwrap().offset, 4);
        assert_eq!(
            suspects(&book, "/log/a.log.2", "one\n"),
            0,
            "another is a log of its own"
        );
    }

    #[test]
    fn what_was_cut_in_an_earlier_run_has_no_copy_any_more() {
        let mut book = Book::default();
        opened(&mut book, "/log/a.log", 7, "one\n");
        opened(&mut book, "/log/a.log", 7, "two\n");
        let book = Book::parse(&book.json().unwrap(), None).unwrap();
        assert!(book.originals(Path::new("/log/a.log.1"), b"one\n").is_empty());
        assert_eq!(book.originals(Path::new("/log/a.log.1"), b"two\n").len(), 1);
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
