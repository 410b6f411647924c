//! Way in: lines of log files, as they are written.
//!
//! In: the section `[connectors.<name>]` with `type = "file"`, and files that grow, are rotated, truncated, replaced,
//! and vanish. Out: a message for each line, in the order of each file; an older file of a name before a newer one.
//! Refuses to know: who writes the files. Whoever may write into one of them may push.
//!
//! What it promises: every line that is in a file of a followed name is taken once, also across rotations (rename and
//! create, symbolic links that are swapped, files that come back) and, with a `state_file`, across restarts. After a
//! crash of the server at most the lines since the last saved position come again (a second's worth, and never more
//! than [`UNSAVED`]). Lines that were not read yet when their file was truncated (`copytruncate`) are lost, unless
//! the copy is followed as well, or was made while the server was down. Needs Unix: files are known by their number.
//!
//! `paths` (which names) → `watch` (what changed) → `bell` → `follower`, the thread → `track` (the files of a name) and
//! `missed` → `tail` (bytes of a file into lines) and `copy` (whose lines they are) → `rule` (which lines) → `line`
//! (the message) → `feed` (gives it to the server, and notes in the `book` how far) → `saver` → `state`.

#[cfg(not(unix))]
compile_error!("turted-file needs Unix: leave the feature `file` out");

mod bell;
mod book;
mod config;
mod copy;
mod feed;
mod fingerprint;
mod follower;
mod line;
mod logfmt;
mod missed;
mod paths;
mod rotated;
mod rule;
mod saver;
mod state;
mod tail;
mod track;
mod watch;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use turted_core::{Claim, ConnectorContext, ConnectorError, ConnectorState, PushConnector};

use crate::bell::Bell;
use crate::book::Book;
use crate::config::Plan;
pub use crate::config::{FileConfig, Start, Watch};
use crate::feed::{Ended, Feed};
use crate::follower::Follower;
pub use crate::rule::Format;
pub use crate::saver::UNSAVED;
use crate::tail::Reading;
use crate::watch::Watches;

/// Batches that were read and not taken yet: what the thread may be ahead.
const AHEAD: usize = 4;

/// Follows files. Its records survive an attempt that failed, so that the next goes on where it ended.
pub struct FileConnector {
    plan: Plan,
    book: Option<Arc<Mutex<Book>>>,
    is_first: bool,
}

impl FileConnector {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            book: None,
            is_first: true,
        }
    }

    /// The records of the last attempt, or those that were saved.
    async fn book(&mut self) -> Result<Arc<Mutex<Book>>, ConnectorError> {
        let mut book = match (&self.book, self.plan.state_file.clone()) {
            // A thread of the last attempt that hangs in a file system keeps the old one.
            (Some(book), _) => lock(book).clone(),
            (None, None) => Book::default(),
            (None, Some(path)) => blocking(move || {
                let book = state::load(&path)?;
                // Found out now, not when the first line was dispatched and cannot be noted.
                state::save(&path, &book.json()?)?;
                Ok(book)
            })
            .await
            .map_err(ConnectorError::new)?,
        };
        book.close_all();
        let book = Arc::new(Mutex::new(book));
        self.book = Some(Arc::clone(&book));
        Ok(book)
    }

    async fn follow(&mut self, cx: &ConnectorContext) -> Result<(), ConnectorError> {
        if self.plan.max_line > cx.limits.push_bytes {
            let why = "max_line is more than limits.push_bytes: such lines could never be dispatched";
            return Err(ConnectorError::Fatal(why.into()));
        }
        let book = self.book().await?;
        let bell = Arc::new(Bell::default());
        let stop = Stop(Arc::clone(&bell));
        let (out, batches) = mpsc::channel(AHEAD);
        let ready = self.start(&book, &bell, out)?;
        tokio::select! {
            () = cx.shutdown.wait() => return Ok(()),
            ready = ready => ready.map_err(|_| ConnectorError::new("the thread that reads the files ended at once"))?,
        }
        self.is_first = false;
        cx.report.state(ConnectorState::Running);
        let feed = Feed::new(cx, &self.plan, book, bell);
        let ended = feed.run(batches).await;
        drop(stop);
        match ended {
            Ended::Asked => Ok(()),
            Ended::NoReader => Err(ConnectorError::new("the thread that reads the files ended")),
        }
    }

    fn start(
        &self,
        book: &Arc<Mutex<Book>>,
        bell: &Arc<Bell>,
        out: mpsc::Sender<tail::Batch>,
    ) -> Result<oneshot::Receiver<()>, ConnectorError> {
        let (plan, bell) = (self.plan.clone(), Arc::clone(bell));
        let from_end = plan.start == Start::End && self.is_first;
        let reading = Reading::new(plan.rule, plan.max_line, plan.partial_after, Arc::clone(book));
        let (ready, is_ready) = oneshot::channel();
        let work = move || {
            let watches = match plan.watch {
                Watch::Notify => Watches::new(plan.paths.clone(), Arc::clone(&bell)),
                Watch::Poll => Watches::none(),
            };
            let what = (plan.paths, plan.max_files, plan.looks);
            Follower::new(what, from_end, watches, (bell, out), reading).run(ready);
        };
        let failed = |error| ConnectorError::new(format!("there is no thread to read the files with: {error}"));
        thread::Builder::new()
            .name("turted-file".into())
            .spawn(work)
            .map_err(failed)?;
        Ok(is_ready)
    }
}

impl PushConnector for FileConnector {
    fn claims(&self) -> Vec<Claim> {
        let claim = |path: &Path| {
            // The same file by another way, if it is there already.
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            let (key, what) = ("state_file", format!("state file {}", path.display()));
            Claim { key, what }
        };
        self.plan.state_file.as_deref().map(claim).into_iter().collect()
    }

    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move { self.follow(&cx).await })
    }
}

/// Stops the thread, however the attempt ends.
struct Stop(Arc<Bell>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Does what may wait for a disk where nobody waits with it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(format!("the work on the state file ended: {error}")))
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
