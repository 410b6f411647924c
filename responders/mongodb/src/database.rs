//! One MongoDB, and how much of it clients may have.
//!
//! In: questions of typed values. Out: JSON within bounds of time, number and size, or why there is none. All of it
//! happens on a thread of its own, which begins with the first question; the driver connects again by itself. What the
//! server says is not repeated to clients, and no credential is in a log (CWE-209, CWE-532).

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bson::Document;
use futures_util::TryStreamExt;
use log::{debug, info, warn};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, ConnectionString, HostInfo};
use mongodb::{Client, Database as Handle};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;
use turted_core::{Failure, Seldom};

use crate::criteria::Question;
use crate::fields::Fields;
use crate::json;

/// When it is worth while to ask again; until then nobody waits for a database that was not there.
const RETRY: Duration = Duration::from_secs(1);
/// How long a server may take to be found, or to be connected to, unless the URL says so.
const FIND: Duration = Duration::from_secs(2);
/// How often the driver looks whether a server is there, unless the URL says so.
const LOOK: Duration = Duration::from_secs(3);
/// For each question under way, how many more may wait.
const WAITING: usize = 16;
/// The error of a server that has worked too long (MaxTimeMSExpired).
const TOO_LONG: i32 = 50;

/// What the configuration says.
pub struct Terms {
    /// The name of the section, for the log.
    pub section: String,
    /// Where it is, and as whom to log in.
    pub url: ConnectionString,
    /// Which database.
    pub name: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Questions under way at once.
    pub at_once: usize,
    /// Most documents of one answer.
    pub limit: u64,
    /// Most bytes of one answer.
    pub bytes: usize,
}

/// One MongoDB.
pub struct Database {
    inner: Arc<Inner>,
    /// The thread; none before the first question.
    engine: Mutex<Option<Runtime>>,
}

struct Inner {
    terms: Terms,
    hosts: String,
    handle: OnceCell<Handle>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Since when nobody was found there.
    gone: Mutex<Option<Instant>>,
    /// What was said of it in the log, for each reason.
    told: [Seldom; 8],
}

/// What there is to say of it in the log.
#[derive(Debug, Clone, Copy)]
enum Reason {
    /// Too many wait.
    Full,
    /// No answer in time.
    Late,
    /// There is more than an answer may have.
    Cut,
    /// It has given up by itself.
    Slow,
    /// It does not answer this.
    Command,
    /// It does not let us in.
    Login,
    /// It has something that nobody can read.
    Unreadable,
    /// It is not there.
    Gone,
}

/// One who waits.
struct Turn<'a>(&'a AtomicUsize);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Database {
    /// One that nobody has asked yet.
    pub fn new(terms: Terms) -> Self {
        let hosts = match &terms.url.host_info {
            HostInfo::HostIdentifiers(hosts) => {
                let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
                hosts.join(",")
            }
            HostInfo::DnsRecord(name) => name.clone(),
            _ => String::new(),
        };
        let inner = Inner {
            turns: Arc::new(Semaphore::new(terms.at_once)),
            terms,
            hosts,
            handle: OnceCell::new(),
            waiting: AtomicUsize::new(0),
            gone: Mutex::default(),
            told: [const { Seldom::new() }; 8],
        };
        Self {
            inner: Arc::new(inner),
            engine: Mutex::default(),
        }
    }

    /// The documents of a collection that fit, as a list; with `first`, only one of them, or `null`.
    pub async fn find(
        &self,
        collection: &str,
        question: Question,
        fields: Arc<Fields>,
        first: bool,
    ) -> Result<String, Failure> {
        let inner = &self.inner;
        if let Some(after) = inner.is_gone() {
            return Err(Failure::Unavailable { after });
        }
        let most = inner.terms.at_once * (1 + WAITING);
        let _turn = Turn(&inner.waiting);
        if inner.waiting.fetch_add(1, Ordering::Relaxed) >= most {
            inner.say(Reason::Full, &format!("{most} questions wait already, see at_once"));
            return Err(Failure::Unavailable { after: RETRY });
        }
        let asked = timeout(inner.terms.timeout, async {
            // It is never closed.
            let permit = Arc::clone(&inner.turns).acquire_owned().await;
            let (inner, collection) = (Arc::clone(inner), collection.to_owned());
            // What the driver has begun it wants to end, also when nobody waits for it any more; until then it counts.
            let task = self.start(async move {
                let _permit = permit;
                inner.ask(&collection, &question, &fields, first).await
            });
            let gone = Failure::Unavailable { after: RETRY };
            match task {
                Some(task) => task.await.unwrap_or(Err(gone)),
                None => Err(gone),
            }
        });
        asked.await.unwrap_or_else(|_| {
            let limit = inner.terms.timeout;
            inner.say(Reason::Late, &format!("no answer within {limit:?}, see timeout"));
            Err(Failure::Unavailable { after: RETRY })
        })
    }

    fn start<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<tokio::task::JoinHandle<T>> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if engine.is_none() {
            let built = Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("mongodb")
                .enable_all()
                .build();
            let section = &self.inner.terms.section;
            *engine = built
                .map_err(|error| warn!("responders.{section}: no thread for MongoDB: {error}"))
                .ok();
        }
        engine.as_ref().map(|engine| engine.spawn(task))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let engine = self.engine.get_mut().unwrap_or_else(PoisonError::into_inner);
        // The last one to hold it may be a task, which must not wait for it.
        if let Some(engine) = engine.take() {
            engine.shutdown_background();
        }
    }
}

impl Inner {
    async fn ask(
        &self,
        collection: &str,
        question: &Question,
        fields: &Fields,
        first: bool,
    ) -> Result<String, Failure> {
        let handle = self.handle.get_or_try_init(|| self.open()).await;
        let handle = handle.map_err(|error| self.failed(&error))?;
        let most = if first { 1 } else { self.terms.limit };
        let wanted = question.limit.unwrap_or(u64::MAX);
        // One more, to see whether there are more.
        let limit = wanted.min(if first { 1 } else { most + 1 });
        let documents = handle.collection::<Document>(collection);
        let mut find = documents
            .find(question.filter.document())
            .skip(question.skip)
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .max_time(self.terms.timeout);
        if !question.sort.is_empty() {
            find = find.sort(question.sort.clone());
        }
        if let Some(select) = &question.select {
            find = find.projection(select.clone());
        }
        let mut cursor = find.await.map_err(|error| self.failed(&error))?;
        let mut answer = Answer::new(self.terms.bytes, most);
        while let Some(document) = cursor.try_next().await.map_err(|error| self.failed(&error))? {
            if !answer.take(&document, fields) {
                break;
            }
        }
        self.found();
        if answer.is_cut {
            let Answer { count, .. } = answer;
            let bound = format!("more than {count} documents of {collection} fit, see limit and bytes");
            self.say(Reason::Cut, &bound);
        }
        match (first, answer.count) {
            (true, 0) if answer.is_cut => Err(Failure::Refused(
                "the document is longer, or deeper, than an answer may be".to_owned(),
            )),
            (true, 0) => Ok("null".to_owned()),
            (true, _) => Ok(answer.text),
            (false, _) => Ok(format!("[{}]", answer.text)),
        }
    }

    async fn open(&self) -> Result<Handle, Error> {
        let mut options = ClientOptions::parse(self.terms.url.clone()).await?;
        let find = FIND.min(self.terms.timeout);
        options.app_name.get_or_insert_with(|| "turted".to_owned());
        options.server_selection_timeout.get_or_insert(find);
        options.connect_timeout.get_or_insert(find);
        options.heartbeat_freq.get_or_insert(LOOK);
        options.max_pool_size = u32::try_from(self.terms.at_once).ok();
        Ok(Client::with_options(options)?.database(&self.terms.name))
    }

    /// How long it is not worth while to ask.
    fn is_gone(&self) -> Option<Duration> {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        RETRY.checked_sub(gone.as_ref()?.elapsed())
    }

    fn found(&self) {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner).take();
        if gone.is_some() {
            info!("{}: answers again", self.place());
        }
    }

    /// What a client is told of an error, and what the log has of it.
    fn failed(&self, error: &Error) -> Failure {
        let unavailable = Failure::Unavailable { after: RETRY };
        match error.kind.as_ref() {
            ErrorKind::Command(command) if command.code == TOO_LONG => {
                self.say(Reason::Slow, "a question takes longer than timeout");
                Failure::Refused("this takes too long".to_owned())
            }
            ErrorKind::Command(command) => {
                // What it says besides may repeat what clients ask.
                let (code, name) = (command.code, &command.code_name);
                self.say(Reason::Command, &format!("refuses a question: {code} {name}"));
                debug!("{} says: {}", self.place(), command.message);
                Failure::Refused("the database does not answer this".to_owned())
            }
            ErrorKind::Authentication { .. } => {
                self.lost();
                self.say(Reason::Login, "refuses the user name or the password");
                unavailable
            }
            ErrorKind::Bson(_) => {
                self.say(Reason::Unreadable, "holds a document that cannot be read");
                Failure::Refused("a document cannot be read".to_owned())
            }
            kind => {
                self.lost();
                self.say(Reason::Gone, &format!("cannot be asked: {}", short(&kind.to_string())));
                unavailable
            }
        }
    }

    fn lost(&self) {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Writes it to the log, now and again.
    fn say(&self, reason: Reason, what: &str) {
        if let Some(told) = self.told.get(reason as usize) {
            told.tell(Instant::now(), |more| warn!("{}: {what}{more}", self.place()));
        }
    }

    fn place(&self) -> String {
        format!("responders.{}, MongoDB at {}", self.terms.section, self.hosts)
    }
}

/// One line, of a length that is for a log.
fn short(text: &str) -> String {
    let line = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    line.take(400).collect()
}

/// Documents one after the other, as far as there is room.
struct Answer {
    text: String,
    count: u64,
    bytes: usize,
    most: u64,
    is_cut: bool,
}

impl Answer {
    fn new(bytes: usize, most: u64) -> Self {
        Self {
            text: String::new(),
            count: 0,
            bytes,
            most,
            is_cut: false,
        }
    }

    /// One more; false when there is no room.
    fn take(&mut self, document: &Document, fields: &Fields) -> bool {
        let room = self.bytes.saturating_sub(self.text.len() + 1);
        let written = match self.count < self.most {
            true => json::write(document, fields, room).ok(),
            false => None,
        };
        self.is_cut = written.is_none();
        if let Some(written) = written {
            let comma = if self.count > 0 { "," } else { "" };
            // Writing to a text cannot fail.
            let _ = write!(self.text, "{comma}{written}");
            self.count += 1;
        }
        !self.is_cut
    }
}
