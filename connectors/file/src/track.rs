//! One followed name: the file that has it now, and those that had it and may still be written.
//!
//! In: looks at the name, turns to read. Out: batches, the older file's always before the newer's. It does not know
//! when to look.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::warn;

use crate::fingerprint::Fingerprint;
use crate::line::Names;
use crate::missed;
use crate::tail::{Batch, Found, Reading, Step, Tail, identity};

/// How long a file that lost its name is kept open after something was read from it: its writer may not have noticed
/// yet.
const LINGER: Duration = Duration::from_secs(5);
/// How many such files a name has at most; a further one is opened when one of them is done.
const LEAVING: usize = 100;

/// A followed name.
#[derive(Debug)]
pub struct Track {
    path: PathBuf,
    names: Arc<Names>,
    leaving: VecDeque<Tail>,
    current: Option<Tail>,
    /// There may be something to read.
    pub is_dirty: bool,
}

impl Track {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(path: &Path, reading: &Reading) -> Self {
        Self {
            path: path.to_owned(),
            names: Arc::new(Names::new(path, &reading.rule)),
            leaving: VecDeque::new(),
            current: None,
            is_dirty: true,
        }
    }

    /// True when it holds no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.leaving.is_empty()
    }

    /// True when it holds a file that has lost its name.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Looks which file has the name now. One that was not met before is read from its beginning, or, when `from_end`
    /// says so and nothing of this name was read before, from its end.
    ///
    /// # Errors
    /// Why the file cannot be opened; another look may succeed.
    pub fn look(&mut self, from_end: bool, reading: &Reading) -> io::Result<()> {
        let meta = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.leave();
                return Ok(());
            }
            found => found?,
        };
        let now = identity(&meta);
        self.is_dirty = true;
        if self.current.as_ref().is_some_and(|tail| tail.identity == now) || self.leaving.len() >= LEAVING {
            return Ok(());
        }
        if self.current.is_none() && self.leaving.back().is_some_and(|tail| tail.identity == now) {
            self.current = self.leaving.pop_back();
            return Ok(());
        }
        let found = Found::open(&self.path)?;
        if self
            .current
            .as_ref()
            .is_some_and(|tail| tail.identity == found.identity)
        {
            return Ok(());
        }
        let other = reading.book().open_as(found.identity).map(Path::to_owned);
        if let Some(other) = other {
            // It is being read under another name, and will be looked at again when that is done.
            if std::fs::metadata(&other).is_ok_and(|meta| identity(&meta) == now) {
                let why = format!(
                    "is the same file as {}, and its lines are told under that name",
                    other.display()
                );
                reading.say(&self.path, &why);
            }
            self.leave();
            return Ok(());
        }
        if let Some(tail) = self.current.as_mut().filter(|tail| tail.goes_on_in(&found)) {
            reading.book().identify(tail.record, found.identity);
            tail.move_to(found);
            return Ok(());
        }
        let is_successor = self.current.is_some() || reading.book().knows(&self.path);
        if is_successor {
            let since = self
                .leaving
                .iter()
                .chain(&self.current)
                .filter_map(Tail::modified)
                .max();
            let Some(missed) = missed::between(&self.path, found.identity, since, LEAVING, reading) else {
                return Ok(());
            };
            self.leave();
            let is_all = missed.len() < LEAVING;
            for earlier in missed {
                let tail = self.open(earlier, false, reading);
                self.leaving.push_back(tail);
            }
            if !is_all {
                return Ok(());
            }
        }
        self.current = Some(self.open(found, from_end && !is_successor, reading));
        Ok(())
    }

    fn open(&self, found: Found, from_end: bool, reading: &Reading) -> Tail {
        let mut book = reading.book();
        let resumed = book.resume(&self.path, found.identity, &found.head, found.length);
        let record = resumed.unwrap_or_else(|| {
            let (offset, head) = if from_end {
                (found.length, Fingerprint::of(&found.head))
            } else {
                (0, Fingerprint::default())
            };
            book.open(&self.path, found.identity, offset, head)
        });
        drop(book);
        Tail::new(found, &self.path, Arc::clone(&self.names), record, reading)
    }

    /// The name is gone, or another's: what is open is read to its end.
    pub fn leave(&mut self) {
        if let Some(mut tail) = self.current.take() {
            tail.touch();
            self.leaving.push_back(tail);
            self.is_dirty = true;
        }
    }

    /// Reads a chunk; `None` when there is nothing more for now.
    pub fn turn(&mut self, reading: &mut Reading) -> Option<Batch> {
        // What one writer wrote into its old file before that much was in the new one can be read in the old one now.
        let seen = self.current.as_ref().map_or(0, Tail::length);
        for at in 0..self.leaving.len() {
            let tail = &mut self.leaving[at];
            match turn(tail, u64::MAX, reading) {
                Turn::Batch(batch) => return Some(batch),
                // What comes after it has to wait.
                Turn::Quiet if tail.doubted().is_some() => {
                    self.is_dirty = false;
                    return None;
                }
                Turn::Quiet if tail.grown().elapsed() < LINGER => {}
                gone => {
                    if let Turn::Broken(error) = gone {
                        let name = self.path.display();
                        warn!(
                            "an older file of {name} cannot be read any more, and what is left of it is lost: {error}"
                        );
                    }
                    let last = tail.finish(reading);
                    self.leaving.remove(at);
                    return Some(last);
                }
            }
        }
        let Some(tail) = self.current.as_mut() else {
            self.is_dirty = false;
            return None;
        };
        match turn(tail, seen, reading) {
            Turn::Batch(batch) => Some(batch),
            Turn::Quiet => {
                self.is_dirty = false;
                None
            }
            Turn::Broken(error) => {
                warn!(
                    "{} cannot be read and will be opened again: {error}",
                    self.path.display()
                );
                let last = tail.finish(reading);
                self.current = None;
                Some(last)
            }
        }
    }

    /// When it wants its turn although nothing has changed.
    #[must_use]
    pub fn due(&self, reading: &Reading) -> Option<Instant> {
        let open = self.leaving.iter().chain(&self.current);
        let partial = reading.partial_after.and_then(|pause| {
            let waiting = open.filter(|tail| tail.has_partial());
            waiting.map(|tail| tail.grown() + pause).min()
        });
        let over = self.leaving.iter().map(|tail| tail.grown() + LINGER).min();
        let open = self.leaving.iter().chain(&self.current);
        let doubted = open.filter_map(Tail::doubted).min();
        partial.into_iter().chain(over).chain(doubted).min()
    }
}

enum Turn {
    Batch(Batch),
    Quiet,
    Broken(io::Error),
}

fn turn(tail: &mut Tail, limit: u64, reading: &mut Reading) -> Turn {
    match tail.step(limit, reading) {
        Ok(Step::Read(batch)) => Turn::Batch(batch),
        Ok(Step::Replaced) => Turn::Batch(tail.restart(reading)),
        Ok(Step::Quiet) => {
            let is_late = |pause| tail.has_partial() && tail.grown().elapsed() >= pause;
            if reading.partial_after.is_some_and(is_late) {
                Turn::Batch(tail.flush(reading))
            } else {
                Turn::Quiet
            }
        }
        Err(error) => Turn::Broken(error),
    }
}
