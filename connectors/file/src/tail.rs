//! One open file and the place up to which it was read.
//!
//! In: bytes of the file, a chunk at a time. Out: a [`Batch`] of lines, or the news that there is nothing more now, or
//! that the file does not hold any more what was read. It knows no names: whatever the file is called, the handle
//! stays.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use log::warn;
use turted_core::json::without_mark;
use turted_core::lines::Lines;

use crate::book::{Book, Identity, Record, RecordId};
use crate::copy::{Verdict, judge};
use crate::fingerprint::{Fingerprint, HEAD};
use crate::line::{Line, Names, decode};
use crate::lock;
use crate::rule::Rule;

/// How much is read of one file before it is another's turn.
const CHUNK: usize = 64 * 1024;
/// How long a file that may be a copy waits before it is asked again whether it is one.
const DOUBT: Duration = Duration::from_millis(50);
/// How many bytes before a place must be the same in two files that are the same up to there.
const SAME: usize = 4096;
/// How many reasons why a file is not read are remembered, so that each is said once.
const SAID: usize = 1000;

/// Lines of one file, in order.
#[derive(Debug)]
pub struct Batch {
    /// Whose.
    pub record: RecordId,
    /// Those that are wanted.
    pub lines: Vec<Line>,
    /// Where the next line begins: behind the last one here, wanted or not.
    pub end: u64,
    /// How the file begins.
    pub head: Fingerprint,
    /// Nothing more will come under this record.
    pub is_last: bool,
}

/// What all tails share: how to read, and where they are recorded.
pub struct Reading {
    /// Which lines are wanted.
    pub rule: Rule,
    /// Longest line.
    pub max_line: usize,
    /// How long a line may wait for its end.
    pub partial_after: Option<Duration>,
    book: Arc<Mutex<Book>>,
    buffer: Vec<u8>,
    said: RefCell<BTreeMap<PathBuf, String>>,
}

impl Reading {
    /// Reads by these settings.
    #[must_use]
    pub fn new(rule: Rule, max_line: usize, partial_after: Option<Duration>, book: Arc<Mutex<Book>>) -> Self {
        Self {
            rule,
            max_line,
            partial_after,
            book,
            buffer: vec![0; CHUNK],
            said: RefCell::default(),
        }
    }

    /// Says once why a file, or a part of it, is not read, until there is another reason.
    pub fn say(&self, path: &Path, why: &str) {
        let mut said = self.said.borrow_mut();
        if said.get(path).is_some_and(|known| known == why) {
            return;
        }
        if said.len() >= SAID {
            said.clear();
        }
        warn!("{} {why}", path.display());
        said.insert(path.to_owned(), why.to_owned());
    }

    /// The records.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

/// A file that was opened and not read yet.
#[derive(Debug)]
pub struct Found {
    /// The name it was opened by.
    pub path: PathBuf,
    /// Which file it is.
    pub identity: Identity,
    /// How many bytes it has.
    pub length: u64,
    /// The first of them, up to [`HEAD`].
    pub head: Vec<u8>,
    /// Itself.
    pub file: File,
}

impl Found {
    /// Opens a regular file.
    ///
    /// # Errors
    /// Those of the file system, and when it is something else than a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Looked at before it is opened: to open a pipe would wait for whoever writes it.
        regular(&std::fs::metadata(path)?)?;
        let file = File::open(path)?;
        let meta = file.metadata()?;
        regular(&meta)?;
        let mut head = vec![0; HEAD];
        let count = read_full(&file, &mut head, 0)?;
        head.truncate(count);
        Ok(Self {
            path: path.to_owned(),
            identity: identity(&meta),
            length: meta.len(),
            head,
            file,
        })
    }
}

/// Which file this is.
#[must_use]
pub fn identity(meta: &Metadata) -> Identity {
    Identity {
        device: meta.dev(),
        inode: meta.ino(),
    }
}

fn regular(meta: &Metadata) -> io::Result<()> {
    if meta.is_file() {
        return Ok(());
    }
    let kind = if meta.is_dir() { "a folder" } else { "no regular file" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}")))
}

/// What came of an attempt to read.
#[derive(Debug)]
pub enum Step {
    /// Something.
    Read(Batch),
    /// It is read up to its end, or as far as it may be.
    Quiet,
    /// The file was truncated, or written anew: what was read is not in it any more.
    Replaced,
}

/// An open file.
#[derive(Debug)]
pub struct Tail {
    file: File,
    /// The followed name that it belongs to.
    name: PathBuf,
    /// The name it was found by.
    path: PathBuf,
    names: Arc<Names>,
    /// Which file it is.
    pub identity: Identity,
    /// Under which its positions are noted.
    pub record: RecordId,
    /// Up to where it was read.
    read: u64,
    /// Where the line begins that is being put together.
    begin: u64,
    lines: Lines,
    head: Fingerprint,
    grown: Instant,
    origin: Origin,
}

/// Whether a file is a log of its own.
#[derive(Debug)]
enum Origin {
    /// To be found out when there is something to read.
    Unknown,
    /// It may be a copy: asked since, and the last time.
    Doubted(Instant, Instant),
    /// It is a log of its own, as far as anybody can tell.
    Own,
    /// It is a copy, and was this long.
    Copy(u64),
    /// It was taken for a copy, and grew.
    Live,
}

impl Tail {
    /// Reads `found`, one of the files called `name`, on from where its record says.
    #[must_use]
    pub fn new(
        found: Found,
        name: &Path,
        names: Arc<Names>,
        (id, record): (RecordId, Record),
        reading: &Reading,
    ) -> Self {
        Self {
            file: found.file,
            name: name.to_owned(),
            path: found.path,
            names,
            identity: found.identity,
            record: id,
            read: record.offset,
            begin: record.offset,
            lines: Lines::new(reading.max_line),
            head: record.head,
            grown: Instant::now(),
            origin: Origin::Unknown,
        }
    }

    /// How long the file is now.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |meta| meta.len())
    }

    /// When the file was written last.
    #[must_use]
    pub fn modified(&self) -> Option<std::time::SystemTime> {
        self.file.metadata().ok()?.modified().ok()
    }

    /// When something was read last, or should have been.
    #[must_use]
    pub fn grown(&self) -> Instant {
        self.grown
    }

    /// From now on its silence counts.
    pub fn touch(&mut self) {
        self.grown = Instant::now();
    }

    /// True while a line waits for its end.
    #[must_use]
    pub fn has_partial(&self) -> bool {
        self.begin < self.read
    }

    /// When it wants to be asked again whether it is a copy.
    #[must_use]
    pub fn doubted(&self) -> Option<Instant> {
        match self.origin {
            Origin::Doubted(_, last) => Some(last + DOUBT),
            _ => None,
        }
    }

    /// Goes on with another file that begins with all that is known of this one; false when it does not.
    #[must_use]
    pub fn goes_on_in(&self, found: &Found) -> bool {
        self.head.is_full()
            && self.head.fits(&found.head)
            && found.length >= self.read
            && is_same_before(&self.file, &found.file, self.read)
    }

    /// Goes on in `found`, which holds the same and has another number.
    pub fn move_to(&mut self, found: Found) {
        (self.file, self.identity) = (found.file, found.identity);
    }

    /// Reads a chunk, but nothing behind `limit`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn step(&mut self, limit: u64, reading: &mut Reading) -> io::Result<Step> {
        let length = self.file.metadata()?.len();
        if length < self.read {
            return Ok(Step::Replaced);
        }
        if matches!(self.origin, Origin::Copy(was) if length > was) {
            self.origin = Origin::Live;
            reading.say(&self.path, "is no copy, as it grows: it is read from its beginning");
            return Ok(Step::Replaced);
        }
        let room = limit.saturating_sub(self.read).min(CHUNK as u64);
        let mut buffer = std::mem::take(&mut reading.buffer);
        let step = self.chunk(&mut buffer, usize::try_from(room).unwrap_or(CHUNK), reading);
        reading.buffer = buffer;
        step
    }

    fn chunk(&mut self, buffer: &mut [u8], room: usize, reading: &Reading) -> io::Result<Step> {
        let count = self.file.read_at(&mut buffer[..room], self.read)?;
        // Only after the chunk: if the file begins as before by now, the chunk was read before any truncation.
        let mut head = [0; HEAD];
        let known = if self.head.is_full() || count == 0 {
            self.head.length
        } else {
            HEAD
        };
        let known = read_full(&self.file, &mut head[..known], 0)?;
        let head = &head[..known];
        if !self.head.fits(head) {
            return Ok(Step::Replaced);
        }
        if count == 0 {
            return Ok(Step::Quiet);
        }
        if self.read == 0 && matches!(self.origin, Origin::Unknown | Origin::Doubted(..)) {
            match self.judge(head, reading)? {
                None => {}
                Some(step) => return Ok(step),
            }
        }
        if !self.head.is_full() {
            let end = usize::try_from(self.read).unwrap_or(HEAD).saturating_add(count);
            self.head = Fingerprint::of(&head[..known.min(end)]);
        }
        self.grown = Instant::now();
        let lines = self.split(&buffer[..count], reading);
        Ok(Step::Read(self.batch(lines, false)))
    }

    /// Nothing was read yet: is this a log of its own? If so, `None`.
    fn judge(&mut self, head: &[u8], reading: &Reading) -> io::Result<Option<Step>> {
        let now = Instant::now();
        let since = match self.origin {
            Origin::Doubted(since, _) => since,
            _ => now,
        };
        match judge(&self.path, &self.file, head, now - since, reading) {
            Verdict::Own => {
                self.origin = Origin::Own;
                Ok(None)
            }
            Verdict::Unsure => {
                self.origin = Origin::Doubted(since, now);
                self.grown = now;
                Ok(Some(Step::Quiet))
            }
            Verdict::Copy(original) => {
                let length = self.file.metadata()?.len();
                let Some(record) = reading.book().go_on(original, self.record) else {
                    return Ok(None);
                };
                self.origin = Origin::Copy(length);
                (self.read, self.begin, self.head) = (record.offset, record.offset, record.head);
                self.grown = now;
                let why = format!(
                    "is the copy of a file that was truncated: the {} bytes which were read there are not read here again",
                    record.offset
                );
                reading.say(&self.path, &why);
                Ok(Some(Step::Read(self.batch(Vec::new(), false))))
            }
        }
    }

    fn split(&mut self, mut bytes: &[u8], reading: &Reading) -> Vec<Line> {
        if !self.has_partial() {
            // A writer that does not append leaves a hole when its file is truncated: it reads as zeros.
            let hole = bytes.iter().take_while(|byte| **byte == 0).count();
            self.begin += hole as u64;
            self.read += hole as u64;
            bytes = &bytes[hole..];
        }
        self.read += bytes.len() as u64;
        let mut lines = Vec::new();
        while let Some(line) = self.lines.next(&mut bytes) {
            lines.extend(self.line(line, false, reading));
        }
        lines
    }

    fn line(&mut self, mut line: turted_core::lines::Line, is_partial: bool, reading: &Reading) -> Option<Line> {
        if self.begin == 0 {
            // A byte order mark is no part of what the first line says.
            let length = line.bytes.len() - without_mark(&line.bytes).len();
            line.bytes = line.bytes.slice(length..);
        }
        self.begin += line.length;
        let (text, marks) = decode(&line, is_partial);
        Some(Line {
            names: Arc::clone(&self.names),
            content: reading.rule.read(text)?,
            marks,
            end: self.begin,
        })
    }

    /// The line that waits for its end, without it.
    pub fn flush(&mut self, reading: &Reading) -> Batch {
        let lines = self.rest(reading);
        self.batch(lines, false)
    }

    /// The last of this record: what is left of it. The tail must not be read any more.
    pub fn finish(&mut self, reading: &Reading) -> Batch {
        let lines = self.rest(reading);
        self.batch(lines, true)
    }

    /// The file was truncated: the last of what was in it. From here on it is read from the beginning, under a new
    /// record.
    pub fn restart(&mut self, reading: &Reading) -> Batch {
        let begin = self.begin;
        let mut last = self.finish(reading);
        // A copy has the whole of the line whose beginning is told here.
        last.end = begin;
        last.lines.iter_mut().for_each(|line| line.end = begin);
        (self.read, self.begin, self.head) = (0, 0, Fingerprint::default());
        if !matches!(self.origin, Origin::Live) {
            self.origin = Origin::Unknown;
        }
        self.grown = Instant::now();
        (self.record, _) = reading.book().open(&self.name, self.identity, 0, self.head);
        last
    }

    fn rest(&mut self, reading: &Reading) -> Vec<Line> {
        let rest = self.lines.rest();
        rest.and_then(|line| self.line(line, true, reading))
            .into_iter()
            .collect()
    }

    fn batch(&self, lines: Vec<Line>, is_last: bool) -> Batch {
        Batch {
            record: self.record,
            lines,
            end: self.begin,
            head: self.head,
            is_last,
        }
    }
}

/// True when two files hold the same just before this place.
#[must_use]
pub fn is_same_before(one: &File, other: &File, place: u64) -> bool {
    let length = place.min(SAME as u64);
    let before = |file: &File| {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(SAME)];
        let count = read_full(file, &mut bytes, place - length);
        count.is_ok_and(|count| count == bytes.len()).then_some(bytes)
    };
    before(one).is_some_and(|bytes| before(other) == Some(bytes))
}

/// True when two files of this length hold the same.
#[must_use]
pub fn is_same(one: &File, other: &File, length: u64) -> bool {
    let mut place = length;
    while place > 0 {
        if !is_same_before(one, other, place) {
            return false;
        }
        place = place.saturating_sub(SAME as u64);
    }
    true
}

/// Reads until `buffer` is full or the file ends.
fn read_full(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], from + count as u64)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}
