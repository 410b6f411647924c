//! The standard input as lines that can be awaited, and dropped.
//!
//! In: blocking reads, on a thread of their own. Out: lines through a short queue. Refuses to know: what a line means.
//!
//! Nobody can call back a thread that waits inside `read(2)`. `tokio::io::stdin` reads on a thread of the runtime's
//! pool, and a runtime waits for those when it ends: the server would not stop before somebody pressed Enter. So this
//! thread belongs to no runtime and is never joined; it ends with the input, or with the process. It may have read a
//! little more than was taken, hence it is started once per process and what it has read stays in the [`Source`], for
//! the next attempt.

use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use turted_core::lines::{Line, Lines};

/// Lines that are read ahead; with the longest line this bounds the memory.
const AHEAD: usize = 64;

/// What one read takes at most.
const CHUNK: usize = 64 * 1024;

/// A line can only go to one of two readers, so a second one is refused.
const TAKEN: &str = "another connector reads the standard input: one section of type \"stdin\" is allowed";

/// A line, or why there are no more.
type Item = std::io::Result<Line>;

/// An input that is read by at most one [`Lease`] at a time. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Source(Arc<Mutex<State>>);

enum State {
    Unread(Box<dyn Read + Send>),
    Taken,
    Free(Receiver<Item>),
}

impl Source {
    /// The standard input of the process.
    pub(crate) fn stdin() -> Self {
        static STDIN: OnceLock<Source> = OnceLock::new();
        STDIN.get_or_init(|| Self::new(std::io::stdin())).clone()
    }

    /// Any input that blocks.
    pub(crate) fn new(input: impl Read + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(State::Unread(Box::new(input)))))
    }

    /// Takes the input until the reader is dropped. `max_line` is that of the first who takes it.
    ///
    /// # Errors
    /// Somebody else reads it, or the system gives no thread; neither goes away by itself.
    pub(crate) fn take(&self, max_line: usize) -> Result<Lease, String> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = match std::mem::replace(&mut *state, State::Taken) {
            State::Taken => return Err(TAKEN.into()),
            State::Free(lines) => lines,
            State::Unread(input) => {
                let (sender, lines) = channel(AHEAD);
                let read = move || read(input, Lines::new(max_line), &sender);
                std::thread::Builder::new()
                    .name("stdin".into())
                    .spawn(read)
                    .map_err(|error| format!("no thread can be started: {error}"))?;
                lines
            }
        };
        Ok(Lease {
            lines: Some(lines),
            source: self.clone(),
        })
    }
}

/// Reads until the input ends or nobody wants it any more.
fn read(mut input: Box<dyn Read + Send>, mut lines: Lines, sender: &Sender<Item>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let mut bytes = match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => &chunk[..length],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                // The receiver is gone only when the process ends.
                let _ = sender.blocking_send(Err(error));
                return;
            }
        };
        while let Some(line) = lines.next(&mut bytes) {
            if sender.blocking_send(Ok(line)).is_err() {
                return;
            }
        }
    }
    if let Some(line) = lines.rest() {
        let _ = sender.blocking_send(Ok(line));
    }
}

/// Whoever has the input now. Dropping it, also in a panic, gives the input back with everything that was not taken.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Always there until it is dropped.
    lines: Option<Receiver<Item>>,
    source: Source,
}

impl Lease {
    /// The next line; `None` at the end. Nothing is lost when the wait is given up.
    pub(crate) async fn line(&mut self) -> Option<Item> {
        self.lines.as_mut()?.recv().await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(lines) = self.lines.take() {
            *self.source.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Free(lines);
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unread(_) => "Unread",
            Self::Taken => "Taken",
            Self::Free(_) => "Free",
        })
    }
}
