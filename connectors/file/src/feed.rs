//! Takes batches, gives their lines to the server, and notes how far that went.
//!
//! In: batches. Out: messages, one after the other: a line waits for the receipt of the one before. A position is noted
//! only after the receipt, and saved now and then. It reads no file that is followed.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc::Receiver;
use turted_core::envelope::Refusal;
use turted_core::{ConnectorContext, Outcome};

use crate::bell::Bell;
use crate::book::Book;
use crate::config::Plan;
use crate::lock;
use crate::saver::Saver;
use crate::tail::Batch;

/// Why it ended.
pub enum Ended {
    /// The server goes down.
    Asked,
    /// No more batches can come.
    NoReader,
}

/// Brings lines to the server.
pub struct Feed<'a> {
    cx: &'a ConnectorContext,
    plan: &'a Plan,
    book: Arc<Mutex<Book>>,
    bell: Arc<Bell>,
    saver: Saver,
}

impl<'a> Feed<'a> {
    /// Notes in `book`, and rings `bell` for each batch it has taken.
    pub fn new(cx: &'a ConnectorContext, plan: &'a Plan, book: Arc<Mutex<Book>>, bell: Arc<Bell>) -> Self {
        Self {
            cx,
            plan,
            saver: Saver::new(plan.state_file.clone(), Arc::clone(&book)),
            book,
            bell,
        }
    }

    /// Works until the server goes down or nobody reads any more; what was noted is saved then.
    pub async fn run(mut self, mut batches: Receiver<Batch>) -> Ended {
        let ended = loop {
            let batch = tokio::select! {
                () = self.cx.shutdown.wait() => break Ended::Asked,
                batch = batches.recv() => batch,
                () = tokio::time::sleep_until(self.saver.due()) => {
                    self.saver.begin().await;
                    continue;
                }
            };
            self.bell.room();
            let Some(batch) = batch else {
                break Ended::NoReader;
            };
            if !self.take(batch).await {
                break Ended::Asked;
            }
        };
        self.saver.finish().await;
        ended
    }

    /// False when the server goes down and has not taken all of it.
    async fn take(&mut self, batch: Batch) -> bool {
        for line in &batch.lines {
            if self.cx.shutdown.is_wanted() {
                return false;
            }
            match &line.content.malformed {
                Some(why) => self.cx.refuse(&Refusal::new("not_json", why.clone())),
                // What became of it is counted; there is nobody to tell.
                None => match self.cx.take(&self.plan.recipe, line).await {
                    Outcome::Left => return false,
                    Outcome::Dispatched | Outcome::Refused(_) => {}
                },
            }
            self.records().note(batch.record, line.end, batch.head);
            self.saver.noted().await;
        }
        let mut book = self.records();
        book.note(batch.record, batch.end, batch.head);
        if batch.is_last {
            book.close(batch.record);
        }
        true
    }

    fn records(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}
