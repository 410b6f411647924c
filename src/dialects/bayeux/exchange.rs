//! Batches and the sessions that they are for.
//!
//! In: the messages of a request, or of a socket that carries no session. Out: their answers in order, and what a
//! connect has waited for. A handshake opens a session; everything else is asked of the session whose clientId it has.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::Addr;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use turted_core::{Arrival, Ending, Intent};

use super::message::BayeuxMessage;
use super::reply::{HANDSHAKE, NONE, Reply};
use super::{Terms, Way, is_event};
use crate::carriers::websocket::frame;
use crate::carriers::{Mount, nothing};
use crate::client::requests::collect::{Hand, Wanted, settled};
use crate::client::requests::register::{Found, Place};
use crate::client::turns::Reply as Turn;
use crate::client::{Connection, Inbound, Newcomer, Reader, Reading, Worker};
use crate::gate::Shared;
use crate::gate::entrance::{Refused, admit, turned_out};
use crate::gate::identity::arrival;
use crate::gate::request::{Query, worker};

/// Marks a session in the register whose client acknowledges events.
const ACKS: u8 = 1;
/// A session that goes from one worker to another is looked for again so often, and after this time.
const AGAIN: (u32, Duration) = (50, Duration::from_millis(10));

/// A service of Bayeux at a path.
pub struct Service {
    /// What is offered.
    pub terms: Arc<Terms>,
    /// On which sessions begin, and go on over sockets.
    pub mount: Mount,
    /// The same for clients that take no other names than the specification has.
    pub strict: Mount,
    /// Its path, which distinguishes its sessions from those of others.
    pub path: String,
}

/// A request, or the one that a socket began with.
#[derive(Clone)]
pub struct Visit {
    pub request: HttpRequest,
    pub shared: web::Data<Shared>,
    pub service: web::Data<Service>,
    /// How its messages travel, for the log.
    pub transport: &'static str,
}

/// A batch, read.
pub struct Batch<'a>(Vec<(&'a RawValue, BayeuxMessage<'a>)>);

/// What is answered at once, and what comes when a connect has been held.
#[derive(Default)]
pub struct Answers {
    /// Answers with commas between them.
    text: String,
    held: Option<Held>,
}

/// A connect that is held.
pub struct Held {
    connection: Addr<Connection>,
    terms: Arc<Terms>,
    /// The last batch that the client has seen, if it says so.
    seen: Option<u64>,
    hold: Duration,
    reply: Reply,
}

impl<'a> Batch<'a> {
    /// Reads these; `None` when one of them is none.
    pub fn read(messages: Vec<&'a RawValue>) -> Option<Self> {
        let read = messages.into_iter().map(|raw| Some((raw, BayeuxMessage::read(raw)?)));
        read.collect::<Option<Vec<_>>>().map(Self)
    }

    /// The session of all of them that connects with them.
    pub fn connects(&self) -> Option<String> {
        let client = self.0.first()?.1.client()?;
        let is_its = |(_, message): &(_, BayeuxMessage<'_>)| message.client().as_deref() == Some(&*client);
        let is_connect = |(_, message): &(_, BayeuxMessage<'_>)| is(message, "/meta/connect");
        (self.0.iter().all(is_its) && self.0.iter().any(is_connect)).then_some(client)
    }
}

fn is(message: &BayeuxMessage<'_>, channel: &str) -> bool {
    message.channel().as_deref() == Some(channel)
}

impl Visit {
    pub fn worker(&self) -> Result<&Rc<Worker>, Refused> {
        worker(&self.request)
    }

    /// The session with this id, and whether its client acknowledges events.
    pub fn find(&self, client: &str) -> Option<(Addr<Connection>, bool)> {
        let found = self.worker().ok()?.register.find(&self.name(client), None);
        let Found { connection, mark } = found.ok()?;
        Some((connection, mark.load(Ordering::Relaxed) == ACKS))
    }

    /// Answers each message, in order.
    pub async fn exchange(&self, batch: &Batch<'_>) -> Answers {
        let mut answers = Answers::default();
        let mut rest = &batch.0[..];
        while let Some((raw, message)) = rest.first() {
            let length = if is(message, "/meta/handshake") {
                let reply = self.handshake(raw, message).await;
                answers.add(&reply);
                1
            } else {
                let client = message.client();
                let same =
                    |(_, next): &&(_, BayeuxMessage<'_>)| next.client() == client && !is(next, "/meta/handshake");
                let length = rest.iter().take_while(same).count();
                let (run, is_all) = (&rest[..length], length == batch.0.len());
                self.talk(&client.unwrap_or_default(), run, is_all, &mut answers).await;
                length
            };
            rest = &rest[length..];
        }
        answers
    }

    async fn handshake(&self, raw: &RawValue, message: &BayeuxMessage<'_>) -> String {
        self.open(raw, message).await.unwrap_or_else(|refused| {
            let reply = Reply::to(message, "/meta/handshake", self.now());
            let reply = match refused.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => reply.failed("403::handshake_denied").advised(NONE),
                StatusCode::BAD_REQUEST => reply.failed(format!("400::{}", refused.why)).advised(NONE),
                status => reply
                    .failed(format!("{}::{}", status.as_u16(), refused.why))
                    .advised(HANDSHAKE),
            };
            self.written(&reply)
        })
    }

    /// Begins a session, which answers the handshake.
    async fn open(&self, raw: &RawValue, message: &BayeuxMessage<'_>) -> Result<String, Refused> {
        let ext = message.ext();
        // Who says in the message who it is says nothing else.
        let arrival = match ext.authentication {
            Some(_) => Arrival::default(),
            None => {
                let query = Query::from_query(self.request.query_string()).map(web::Query::into_inner);
                arrival(
                    &self.request,
                    &query.unwrap_or_default(),
                    &self.shared,
                    self.service.mount.protocol.name(),
                )
                .await?
            }
        };
        let (newcomer, ticket) = admit(&self.request, &self.shared)?;
        let worker = self.worker()?;
        let name = self.name(&newcomer.welcome.resume);
        let Place::Free(listing) = worker.register.reserve(&name, None) else {
            return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "taken", "try again"));
        };
        let is_somebody = arrival != Arrival::default();
        let newcomer = Newcomer {
            transport: self.transport,
            listing: Some(listing),
            first: is_somebody.then_some(Intent::Arrive(arrival)),
            held: Some(Box::new(ticket)),
            ..newcomer
        };
        let mount = match message.is_lenient() {
            true => &self.service.mount,
            false => &self.service.strict,
        };
        let (voice, connection) = mount.connect(worker, newcomer, nothing(()));
        if is_somebody {
            settled(&connection).await;
            turned_out(voice.ended())?;
        }
        if self.service.terms.ack
            && ext.wants_acks()
            && let Ok(found) = worker.register.find(&name, None)
        {
            found.mark.store(ACKS, Ordering::Relaxed);
        }
        let said = ask(&connection, &format!("[{}]", raw.get())).await;
        let said = said.ok().flatten().unwrap_or_default();
        match inner(&said) {
            "" => Err(Refused::new(StatusCode::FORBIDDEN, "ended", "the session has ended")),
            reply => Ok(reply.to_owned()),
        }
    }

    /// Lets a session answer messages that follow one another.
    async fn talk(&self, client: &str, run: &[(&RawValue, BayeuxMessage<'_>)], is_all: bool, answers: &mut Answers) {
        let raws: Vec<&str> = run.iter().map(|(raw, _)| raw.get()).collect();
        let text = format!("[{}]", raws.join(","));
        for _ in 0..AGAIN.0 {
            let Some((connection, has_acks)) = self.find(client) else {
                break;
            };
            let said = match ask(&connection, &text).await {
                // It is on its way to another worker, or has just ended.
                Err(Nobody) => {
                    tokio::time::sleep(AGAIN.1).await;
                    continue;
                }
                Ok(None) => return self.ended(connection, run, answers).await,
                Ok(Some(said)) => said,
            };
            let (hold, replies) = match said.split_once(';') {
                Some((hold, replies)) if !said.starts_with('[') => (hold.parse().ok(), replies),
                _ => (None, &*said),
            };
            answers.add(inner(replies));
            let connect = run.iter().find(|(_, message)| is(message, "/meta/connect"));
            let (Some(hold), Some((_, connect))) = (hold, connect) else {
                return;
            };
            let held = Held {
                connection,
                terms: Arc::clone(&self.service.terms),
                seen: has_acks.then(|| connect.ext().seen()),
                hold: Duration::from_millis(hold),
                reply: self.connected(connect),
            };
            if is_all {
                answers.held = Some(held);
            } else {
                // Whoever speaks for several sessions at once does not wait for one of them.
                let hold = Duration::ZERO;
                let text = Held { hold, ..held }.finish(&std::mem::take(&mut answers.text)).await;
                inner(&text).clone_into(&mut answers.text);
            }
            return;
        }
        for (_, message) in run {
            let channel = message.channel();
            let reply = Reply::to(message, channel.as_deref().unwrap_or_default(), self.now());
            answers.add(&self.written(&match channel {
                Some(_) => reply.unknown(),
                None => reply.failed("400::Channel missing"),
            }));
        }
    }

    /// Answers for a session that has ended, and says so as long as it lingers.
    async fn ended(&self, connection: Addr<Connection>, run: &[(&RawValue, BayeuxMessage<'_>)], answers: &mut Answers) {
        let reader = Reader::single(connection);
        let reading = reader.ask(at_once(None), AGAIN.1).await;
        reader.finish();
        let ending = match reading {
            Reading::Last(_, ending) => ending,
            _ => Ending::Vanished,
        };
        for (_, message) in run {
            let channel = message.channel().unwrap_or_default();
            let reply = Reply::to(message, &channel, self.now());
            let reply = match (channel.as_str(), ending) {
                // After a goodbye nobody is known.
                ("/meta/connect", Ending::Normal) | (_, Ending::Normal) => reply.unknown(),
                ("/meta/connect", ending) => reply.ended(ending),
                _ => reply.unknown(),
            };
            answers.add(&self.written(&reply));
        }
    }

    fn connected(&self, connect: &BayeuxMessage<'_>) -> Reply {
        let reply = Reply::to(connect, "/meta/connect", self.now());
        match connect.is_advised() {
            true => reply.advised(self.service.terms.advice()),
            false => reply,
        }
    }

    fn now(&self) -> i64 {
        (self.service.terms.now)()
    }

    fn written(&self, reply: &Reply) -> String {
        let mut text = String::new();
        reply.write(self.now(), &mut text);
        text
    }

    /// Under which the register has a session: other services may have one of the same name.
    fn name(&self, client: &str) -> String {
        format!("{} {client}", self.service.path)
    }
}

/// The connection is not there.
struct Nobody;

/// What a session answers to a batch; nothing when it has ended.
async fn ask(connection: &Addr<Connection>, batch: &str) -> Result<Option<String>, Nobody> {
    let (word, said) = oneshot::channel();
    let hand = Hand {
        inbound: Inbound::Text(Way::Request.mark(batch)),
        reply: Turn::Word(word),
    };
    connection.send(hand).await.map_err(|_| Nobody)?;
    let said = said.await.ok();
    Ok(said.map(|said| String::from_utf8_lossy(&said).into_owned()))
}

/// What stands in the brackets.
fn inner(array: &str) -> &str {
    let inner = array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or_default()
}

fn at_once(seen: Option<u64>) -> Wanted {
    Wanted {
        seen,
        at_once: true,
        ..Wanted::default()
    }
}

impl Answers {
    fn add(&mut self, replies: &str) {
        if !self.text.is_empty() && !replies.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(replies);
    }

    /// Whether a connect makes whoever asked wait.
    pub fn waits(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.hold.is_zero())
    }

    /// The whole answer, when it is there.
    pub async fn complete(self) -> String {
        match self.held {
            Some(held) => held.finish(&self.text).await,
            None => format!("[{}]", self.text),
        }
    }
}

impl Held {
    /// Waits for events. They come first, then the other answers, and last the one to the connect.
    async fn finish(mut self, others: &str) -> String {
        let reader = Reader::single(self.connection.clone());
        let mut reading = match self.hold.is_zero() {
            true => Reading::Nothing,
            false => {
                let wanted = Wanted {
                    seen: self.seen,
                    ..Wanted::default()
                };
                reader.ask(wanted, self.hold).await
            }
        };
        if reading == Reading::Nothing && (self.hold.is_zero() || self.seen.is_some()) {
            reading = reader.ask(at_once(self.seen), Duration::from_secs(5)).await;
        }
        reader.finish();
        let (frames, reply) = match reading {
            Reading::Frames(frames) => (Some(frames), self.reply),
            Reading::Numbered(frames, number) => {
                self.reply.ack = Some(number);
                (Some(frames), self.reply)
            }
            Reading::Last(frames, ending) => (Some(frames), self.reply.ended(ending)),
            // A newer connect, by whichever wire, has taken its place; or there was nothing.
            Reading::Nothing | Reading::Busy | Reading::Moved | Reading::TooFast => (None, self.reply),
            Reading::Gone | Reading::Vanished => (None, self.reply.unknown()),
        };
        let mut text = "[".to_owned();
        let frames = frames.unwrap_or_default();
        // What else waits was said to an earlier wire.
        for event in frame::texts(&frames).filter(|text| is_event(text)) {
            if let Ok(event) = std::str::from_utf8(event) {
                if text.len() > 1 {
                    text.push(',');
                }
                text.push_str(inner(event));
            }
        }
        if !others.is_empty() {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(others);
        }
        reply.write((self.terms.now)(), &mut text);
        text.push(']');
        text
    }
}
