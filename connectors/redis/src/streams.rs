//! Streams: at least once.
//!
//! In: the entries that a consumer group gives to us: first those that were given to us before a restart, then new
//! ones; for some seconds also those that a lost connection is still given in our name, and from time to time those
//! that another consumer took and did not acknowledge. Out: dispatches, and for each entry an acknowledgement, after
//! its receipt. An entry that can never be dispatched is acknowledged too, once it lies in the stream for dead letters,
//! if there is one. It never trims a stream that it reads: that is the producer's.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Value, cmd};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use turted_core::envelope::Refusal;
use turted_core::{ConnectorContext, ConnectorError, Outcome, Recipe};

use crate::acknowledge::{Done, UNACKNOWLEDGED, acknowledge};
use crate::config::Start;
use crate::entry::{self, Entry, EntryId, Letter};
use crate::group;
use crate::server::Server;

/// How long the server may keep a read waiting for entries.
const BLOCK: Duration = Duration::from_secs(3);
/// How long a lost connection may still be given entries, in our name, by a read that waits on it: [`BLOCK`], and what
/// the server is late.
const ECHO: Duration = Duration::from_secs(6);
/// How often such entries are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// How long the last acknowledgements may take when the server goes down; entries without one come again.
const FAREWELL: Duration = Duration::from_secs(2);

/// What to read, and as whom.
pub struct Streams {
    pub names: Vec<Arc<str>>,
    pub group: String,
    pub consumer: String,
    pub start: Start,
    pub claim_after: Duration,
    pub body: String,
    /// Whether an entry must have the field `body`.
    pub needs_body: bool,
    pub batch: usize,
    pub dead_letter: Option<DeadLetter>,
    /// How far each stream was read; a group that is lost is made anew from here.
    pub positions: HashMap<Arc<str>, EntryId>,
}

/// Where entries go that can never be dispatched.
pub struct DeadLetter {
    pub stream: String,
    /// About how many are kept.
    pub length: usize,
}

/// Connections with which every group is ready.
pub struct Consumer<'a> {
    streams: &'a mut Streams,
    server: &'a Server,
    /// Blocks while there is nothing to read.
    reads: MultiplexedConnection,
    /// Never blocks.
    writes: MultiplexedConnection,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

impl Streams {
    /// Connects, and makes the groups that are not there.
    pub async fn open<'a>(&'a mut self, server: &'a Server) -> Result<Consumer<'a>, ConnectorError> {
        let (reads, mut writes) = (server.connect().await?, server.connect().await?);
        for stream in &self.names {
            let known = self.positions.get(stream).copied();
            let ready = group::ready(&mut writes, stream, &self.group, self.start, known).await;
            let failed = |error| server.error(&format!("XGROUP CREATE {stream}"), &error);
            if let Some(last) = ready.map_err(failed)? {
                self.positions.insert(Arc::clone(stream), last);
            }
        }
        Ok(Consumer {
            streams: self,
            server,
            reads,
            writes,
        })
    }
}

impl Consumer<'_> {
    /// Reads and acknowledges until the server stops or the connection is lost.
    pub async fn work(self, cx: &ConnectorContext, recipe: &Recipe) -> Result<(), ConnectorError> {
        let (done, finished) = mpsc::channel(UNACKNOWLEDGED);
        let (names, group) = (self.streams.names.clone(), self.streams.group.clone());
        let mut acknowledging = pin!(acknowledge(self.writes.clone(), names, group, finished, self.server));
        let reading = Reading {
            reader: self,
            cx,
            recipe,
            done,
        };
        tokio::select! {
            read = reading.all() => read?,
            // It ends before the reading only when it fails.
            failed = &mut acknowledging => return failed,
        }
        // What is not acknowledged in time comes again.
        let _ = timeout(FAREWELL, acknowledging).await;
        Ok(())
    }
}

/// The reading half at work.
struct Reading<'a> {
    reader: Consumer<'a>,
    cx: &'a ConnectorContext,
    recipe: &'a Recipe,
    done: mpsc::Sender<Done>,
}

impl Reading<'_> {
    async fn all(mut self) -> Result<(), ConnectorError> {
        let claim_after = self.reader.streams.claim_after;
        let begun = Instant::now();
        let (mut next_look, mut next_claim) = (begun, begun);
        loop {
            if next_look <= Instant::now() {
                if self.own_pending().await? == Next::Stop {
                    return Ok(());
                }
                if next_claim <= Instant::now() {
                    if self.claim().await? == Next::Stop {
                        return Ok(());
                    }
                    next_claim = Instant::now() + claim_after / 2;
                }
                next_look = match begun.elapsed() < ECHO {
                    true => next_claim.min(Instant::now() + LOOK),
                    false => next_claim,
                };
            }
            let block = BLOCK.min(next_look.saturating_duration_since(Instant::now()));
            if self.fresh(block.max(Duration::from_millis(1))).await? == Next::Stop {
                return Ok(());
            }
        }
    }

    /// What was given to this consumer and is not acknowledged: by a run before this one, or on a connection that was
    /// lost.
    async fn own_pending(&mut self) -> Result<Next, ConnectorError> {
        // Afterwards nothing that this run has dispatched is pending.
        if self.flush().await == Next::Stop {
            return Ok(Next::Stop);
        }
        for stream in self.reader.streams.names.clone() {
            let mut cursor = "0".to_owned();
            loop {
                let mut command = self.reader.streams.read_command(None);
                command.arg("STREAMS").arg(&*stream).arg(&cursor);
                let Some(answer) = self.ask(command, "XREADGROUP", Side::Reads).await? else {
                    return Ok(Next::Stop);
                };
                let entries = self.entries(answer)?;
                match entries.last() {
                    None => break,
                    Some(last) => cursor.clone_from(&last.id),
                }
                if self.handle(entries).await? == Next::Stop {
                    return Ok(Next::Stop);
                }
            }
        }
        Ok(Next::Go)
    }

    /// New entries of all streams.
    async fn fresh(&mut self, block: Duration) -> Result<Next, ConnectorError> {
        let names = &self.reader.streams.names;
        let mut command = self.reader.streams.read_command(Some(block));
        command.arg("STREAMS");
        names.iter().for_each(|name| {
            command.arg(&**name);
        });
        names.iter().for_each(|_| {
            command.arg(">");
        });
        let Some(answer) = self.ask(command, "XREADGROUP", Side::Reads).await? else {
            return Ok(Next::Stop);
        };
        let entries = self.entries(answer)?;
        self.handle(entries).await
    }

    /// What another consumer of the group took and did not acknowledge for long.
    async fn claim(&mut self) -> Result<Next, ConnectorError> {
        // Otherwise an entry of our own whose acknowledgement is under way could be claimed again.
        if self.flush().await == Next::Stop {
            return Ok(Next::Stop);
        }
        for stream in self.reader.streams.names.clone() {
            let mut cursor = "0-0".to_owned();
            loop {
                let streams = &self.reader.streams;
                let idle = u64::try_from(streams.claim_after.as_millis()).unwrap_or(u64::MAX);
                let mut command = cmd("XAUTOCLAIM");
                command
                    .arg(&*stream)
                    .arg(&streams.group)
                    .arg(&streams.consumer)
                    .arg(idle);
                command.arg(&cursor).arg("COUNT").arg(streams.batch);
                let Some(answer) = self.ask(command, "XAUTOCLAIM", Side::Writes).await? else {
                    return Ok(Next::Stop);
                };
                let claimed = entry::claimed(answer, &stream).ok_or_else(|| self.unknown("XAUTOCLAIM"))?;
                (0..claimed.trimmed).for_each(|_| self.cx.refuse(&trimmed()));
                if self.handle(claimed.entries).await? == Next::Stop {
                    return Ok(Next::Stop);
                }
                cursor = claimed.cursor;
                if cursor == "0-0" {
                    break;
                }
            }
        }
        Ok(Next::Go)
    }

    /// Dispatches entries one after the other.
    async fn handle(&mut self, entries: Vec<Entry>) -> Result<Next, ConnectorError> {
        for entry in entries {
            if self.cx.shutdown.is_wanted() {
                return Ok(Next::Stop);
            }
            match self.take(&entry).await {
                Outcome::Left => return Ok(Next::Stop),
                Outcome::Dispatched => {}
                Outcome::Refused(refusal) => self.bury(&entry, &refusal).await?,
            }
            if let Some(id) = EntryId::parse(&entry.id) {
                let position = self
                    .reader
                    .streams
                    .positions
                    .entry(Arc::clone(&entry.stream))
                    .or_insert(id);
                *position = id.max(*position);
            }
            if self.tell(Done::Entry(entry.stream, entry.id)).await == Next::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Go)
    }

    async fn take(&self, entry: &Entry) -> Outcome {
        let streams = &self.reader.streams;
        let refusal = match &entry.fields {
            None => trimmed(),
            Some(fields) if streams.needs_body && entry::find(fields, &streams.body).is_none() => {
                Refusal::new("absent", format!("the entry has no field {}", streams.body))
            }
            Some(fields) => {
                return self
                    .cx
                    .take(self.recipe, &Letter::new(entry, fields, &streams.body))
                    .await;
            }
        };
        self.cx.refuse(&refusal);
        Outcome::Refused(refusal)
    }

    /// Puts an entry that can never be dispatched where a person finds it.
    async fn bury(&mut self, entry: &Entry, refusal: &Refusal) -> Result<(), ConnectorError> {
        let (Some(dead_letter), Some(fields)) = (&self.reader.streams.dead_letter, &entry.fields) else {
            return Ok(());
        };
        let mut command = cmd("XADD");
        command
            .arg(&dead_letter.stream)
            .arg("MAXLEN")
            .arg("~")
            .arg(dead_letter.length)
            .arg("*");
        command.arg(fields.as_slice());
        command
            .arg("turted.reason")
            .arg(format!("{}: {}", refusal.code, refusal.message));
        command
            .arg("turted.stream")
            .arg(&*entry.stream)
            .arg("turted.id")
            .arg(&entry.id);
        let what = format!("XADD {}", dead_letter.stream);
        let added = command.exec_async(&mut self.reader.writes).await;
        added.map_err(|error| self.reader.server.error(&what, &error))
    }

    /// Tells the acknowledging half.
    async fn tell(&self, done: Done) -> Next {
        tokio::select! {
            // What has its receipt is acknowledged even when the server goes down.
            biased;
            // The other half ends first only when it fails, which ends this one as well.
            sent = self.done.send(done) => if sent.is_ok() { Next::Go } else { Next::Stop },
            () = self.cx.shutdown.wait() => Next::Stop,
        }
    }

    /// Waits until everything that the acknowledging half was told is acknowledged.
    async fn flush(&self) -> Next {
        let (answer, flushed) = oneshot::channel();
        if self.tell(Done::Flush(answer)).await == Next::Stop {
            return Next::Stop;
        }
        tokio::select! {
            () = self.cx.shutdown.wait() => Next::Stop,
            _ = flushed => Next::Go,
        }
    }

    /// The answer to a command; `None` when the server goes down first.
    async fn ask(&mut self, command: redis::Cmd, what: &str, side: Side) -> Result<Option<Value>, ConnectorError> {
        let redis = match side {
            Side::Reads => &mut self.reader.reads,
            Side::Writes => &mut self.reader.writes,
        };
        tokio::select! {
            () = self.cx.shutdown.wait() => Ok(None),
            answer = command.query_async(redis) => {
                answer.map(Some).map_err(|error| self.reader.server.error(what, &error))
            }
        }
    }

    fn entries(&self, answer: Value) -> Result<Vec<Entry>, ConnectorError> {
        entry::read(answer, &self.reader.streams.names).ok_or_else(|| self.unknown("XREADGROUP"))
    }

    fn unknown(&self, command: &str) -> ConnectorError {
        let place = self.reader.server.place();
        ConnectorError::new(format!("{place} answered to {command} in a way that is not known here"))
    }
}

/// Which connection to use.
enum Side {
    Reads,
    Writes,
}

impl Streams {
    fn read_command(&self, block: Option<Duration>) -> redis::Cmd {
        let mut command = cmd("XREADGROUP");
        command
            .arg("GROUP")
            .arg(&self.group)
            .arg(&self.consumer)
            .arg("COUNT")
            .arg(self.batch);
        if let Some(block) = block {
            command
                .arg("BLOCK")
                .arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        command
    }
}

fn trimmed() -> Refusal {
    Refusal::new(
        "trimmed",
        "the producer trimmed the stream before the entry was dispatched",
    )
}
