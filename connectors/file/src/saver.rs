//! Saves the book now and then.
//!
//! In: lines that were noted. Out: the state file, never further behind than [`UNSAVED`] lines, and usually a second.
//! It works beside the lines, which wait only when saving is slower than they are.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::warn;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::book::Book;
use crate::state;
use crate::{blocking, lock};

/// How often positions are saved.
const SAVES: Duration = Duration::from_secs(1);
/// How many lines may have been dispatched at most whose positions are not saved: what a crash may repeat.
pub const UNSAVED: usize = 10_000;

/// Saves the book, beside the work.
pub struct Saver {
    path: Option<PathBuf>,
    book: Arc<Mutex<Book>>,
    running: Option<JoinHandle<Result<(), String>>>,
    begun: Instant,
    /// Noted since the book was copied for the save that runs, or ran last.
    lines: usize,
    has_failed: bool,
}

impl Saver {
    /// Saves `book` at `path`, or nowhere.
    pub fn new(path: Option<PathBuf>, book: Arc<Mutex<Book>>) -> Self {
        Self {
            path,
            book,
            running: None,
            begun: Instant::now(),
            lines: 0,
            has_failed: false,
        }
    }

    /// When the next save is due.
    pub fn due(&self) -> Instant {
        self.begun + SAVES
    }

    /// A line was noted.
    pub async fn noted(&mut self) {
        self.lines += 1;
        // Half, because the lines of a save that runs count until it is done.
        if self.lines >= UNSAVED / 2 || self.begun.elapsed() >= SAVES {
            self.begin().await;
        }
    }

    /// Begins a save; waits for the one before, if it still runs.
    pub async fn begin(&mut self) {
        self.wait().await;
        (self.begun, self.lines) = (Instant::now(), 0);
        let Some(path) = self.path.clone() else {
            return;
        };
        let copy = {
            let mut book = lock(&self.book);
            book.take_changed().then(|| book.clone())
        };
        if let Some(copy) = copy {
            let save = blocking(move || state::save(&path, &copy.json()?));
            self.running = Some(tokio::spawn(save));
        }
    }

    /// Saves what is noted now.
    pub async fn finish(&mut self) {
        self.begin().await;
        self.wait().await;
    }

    async fn wait(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let saved = running.await.unwrap_or_else(|error| Err(error.to_string()));
        match saved {
            Ok(()) => self.has_failed = false,
            Err(why) => {
                // The next save has to bring what this one did not.
                lock(&self.book).touch();
                if !self.has_failed {
                    warn!("{why}; until it can be, a restart repeats lines");
                }
                self.has_failed = true;
            }
        }
    }
}
