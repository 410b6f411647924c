//! What the stories stand on: a node, and a realm in a server of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use turted_core::dispatch::{Dispatch, DispatchId, Epoch};
use turted_core::json::Payload;
use turted_core::ledger::{Ledger, LedgerError, NodeId, Page, Submission, What};
use turted_core::limits::Limits;
use turted_core::name::{ChannelName, EventName};
use turted_core::target::Target;
use turted_core::testkit::{Realm, soon};
use turted_engine_redis::{RedisLedger, Settings};
use turted_services::redis::{Redis, Reply};

/// Where everything of the realm is.
pub const LOG: &str = "turted:{shop}:log";
pub const META: &str = "turted:{shop}:meta";
pub const NODES: &str = "turted:{shop}:nodes";

/// As long as it takes to see that nothing comes.
pub const BRIEF: Duration = Duration::from_millis(100);

pub fn settings(redis: &Redis) -> Settings {
    Settings::new(redis.url(), "shop")
}

pub fn ledger(redis: &Redis) -> RedisLedger {
    RedisLedger::new(settings(redis)).unwrap()
}

pub fn dispatch(payload: &str, key: Option<&str>) -> Arc<Dispatch> {
    let limits = Limits::default();
    let channel = ChannelName::parse("chat", &limits).unwrap();
    let payload = Payload::parse(payload.to_owned().into(), &limits).unwrap();
    let mut dispatch = Dispatch::new(EventName::unnamed(), vec![Target::Channel(channel)], payload);
    dispatch.key = key.map(Into::into);
    Arc::new(dispatch)
}

/// A node with what it knows.
pub struct Node {
    pub ledger: RedisLedger,
    pub me: NodeId,
    pub at: DispatchId,
    pub tickets: u64,
    turns: u32,
}

impl Node {
    /// Opens, and turns if it must.
    pub async fn begin(ledger: RedisLedger, name: &str) -> Self {
        let me = NodeId::parse(name).unwrap();
        let at = Epoch::new(&format!("{name}0")).id(0);
        let (tickets, turns) = (0, 0);
        let mut node = Self {
            ledger,
            me,
            at,
            tickets,
            turns,
        };
        node.at = node.open().await;
        node
    }

    /// Opens again until that succeeds, and turns whenever it must; where what is left begins.
    pub async fn open(&mut self) -> DispatchId {
        let opened = async {
            loop {
                match self.ledger.open(&self.me).await {
                    Ok(top) => return top.floor,
                    Err(LedgerError::Turned) => {
                        self.turns += 1;
                        let next = Epoch::new(&format!("{}{}", self.me, self.turns));
                        match self.ledger.turn(&next, &self.at).await {
                            Ok(()) | Err(LedgerError::Away(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    Err(LedgerError::Away(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        soon("an open log", opened).await
    }

    pub fn next(&mut self, payload: &str, key: Option<&str>) -> Submission {
        self.tickets += 1;
        let (ticket, origin) = (self.tickets, None);
        let dispatch = dispatch(payload, key);
        Submission {
            ticket,
            dispatch,
            origin,
        }
    }

    pub async fn append(&self, batch: &[Submission]) -> Result<Vec<Option<DispatchId>>, LedgerError> {
        soon("an append", self.ledger.append(&self.me, &self.at.epoch, batch)).await
    }

    pub async fn try_say(&mut self, payload: &str) -> Result<Vec<Option<DispatchId>>, LedgerError> {
        let batch = [self.next(payload, None)];
        self.append(&batch).await
    }

    /// Says it until it is written down, as a node does: a busy machine may need longer than a call may take.
    pub async fn say(&mut self, payload: &str) {
        let batch = [self.next(payload, None)];
        let said = async {
            loop {
                match self.append(&batch).await {
                    Err(LedgerError::Away(_)) => {}
                    said => return said,
                }
            }
        };
        assert_eq!(soon("a place", said).await, Ok(vec![None]), "{payload}");
    }

    pub async fn page(&mut self, wait: Duration) -> Result<Page, LedgerError> {
        let page = soon("a page", self.ledger.read(&self.at, wait)).await?;
        match &page {
            Page::Entries(entries) => {
                for entry in entries {
                    self.at.sequence += 1;
                    assert_eq!(entry.sequence, self.at.sequence, "places have no gaps");
                }
            }
            Page::Turned { next, .. } => {
                self.at = next.clone();
                self.tickets = 0;
            }
            Page::Trimmed(floor) | Page::Unknown(floor) => self.at = floor.clone(),
        }
        Ok(page)
    }

    /// The next page, asked for until it comes.
    async fn some_page(&mut self) -> Page {
        loop {
            match self.page(BRIEF).await {
                Err(LedgerError::Away(_)) => {}
                page => return page.unwrap(),
            }
        }
    }

    /// Everything up to the end, a word for each.
    pub async fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            match soon("a page", self.some_page()).await {
                Page::Entries(entries) if entries.is_empty() => return heard,
                Page::Entries(entries) => heard.extend(entries.into_iter().map(|entry| match entry.what {
                    What::Dispatch(_, dispatch) => dispatch.payload.as_str().to_owned(),
                    What::Turn => "turn".to_owned(),
                    What::Unreadable(why) => why,
                })),
                Page::Turned { closed, .. } => heard.push(format!("closed at {closed}")),
                Page::Trimmed(floor) => heard.push(format!("trimmed at {floor}")),
                Page::Unknown(floor) => heard.push(format!("unknown before {floor}")),
            }
        }
    }
}

/// A realm for the suite.
pub struct Shop(pub Redis);

impl Shop {
    /// Writes fields at the next place, as somebody would who knows how.
    pub fn scrawl(&self, fields: &[&[u8]]) -> u64 {
        scrawl(&self.0, fields)
    }
}

pub fn scrawl(redis: &Redis, fields: &[&[u8]]) -> u64 {
    let newest: u64 = redis.must(&["HGET", META, "seq"]).text().parse().unwrap();
    let place = newest + 1;
    let id = format!("{place}-0");
    let mut command: Vec<&[u8]> = vec![b"XADD", LOG.as_bytes(), id.as_bytes()];
    command.extend(fields);
    let reply = redis.ask(&command);
    assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
    redis.must(&["HSET", META, "seq", &place.to_string()]);
    place
}

impl Realm for Shop {
    async fn ledger(&mut self) -> impl Ledger {
        ledger(&self.0)
    }

    /// The server dies, and what it wrote down ends behind the step that gave this place.
    async fn fail_over(&mut self, kept: u64) {
        self.0.kill();
        let files = std::fs::read_dir(self.0.folder().join("appendonlydir")).unwrap();
        let mut written = files.map(|file| file.unwrap().path());
        let file: PathBuf = written
            .find(|file| file.to_string_lossy().ends_with(".incr.aof"))
            .unwrap();
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..cut(&bytes, &format!("{kept}-0"))]).unwrap();
        self.0.start_again();
    }

    async fn empty(&mut self) {
        self.0.kill();
        self.0.lose_data();
        self.0.start_again();
    }

    async fn trim(&mut self, kept: u64) {
        self.0.must(&["XTRIM", LOG, "MAXLEN", &kept.to_string()]);
    }

    async fn scribble(&mut self) {
        self.scrawl(&[b"hello", b"world"]);
    }

    async fn bury(&mut self, node: &NodeId) {
        self.0.must(&["HDEL", NODES, node.as_str()]);
        self.0.must(&["DEL", &format!("turted:{{shop}}:node:{node}")]);
    }
}

/// Where the step ends in which something was added with this id.
fn cut(file: &[u8], id: &str) -> usize {
    let (mut at, mut is_found) = (0, false);
    while at < file.len() {
        let mut words = Vec::new();
        for _ in 0..number(file, &mut at) {
            let length = number(file, &mut at);
            words.push(&file[at..at + length]);
            at += length + 2;
        }
        is_found |= words[0] == b"XADD" && words.contains(&id.as_bytes());
        if is_found && words[0] == b"EXEC" {
            return at;
        }
    }
    panic!("nothing was ever added as {id}");
}

/// The number in a line such as `*3` or `$12`, and on to the next.
fn number(file: &[u8], at: &mut usize) -> usize {
    // Lines that say when something was written.
    while file[*at] == b'#' {
        *at += file[*at..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    }
    let length = file[*at..].iter().position(|byte| *byte == b'\r').unwrap();
    let text = std::str::from_utf8(&file[*at + 1..*at + length]).unwrap();
    *at += length + 2;
    text.parse().unwrap()
}
