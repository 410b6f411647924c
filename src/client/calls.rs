//! What a client has asked of somebody and is not answered yet.
//!
//! In: calls that were granted, what the client says into them, and what responders tell. Out: words for the voice, in
//! the order of each call. Some are under way at once, some more wait, and others are refused; whoever tells more than
//! the client reads waits. All end with the connection, and go along when it moves.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use actix::fut::ActorFuture;
use actix::{AsyncContext, Context};
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use log::error;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Sleep, sleep};
use tokio_util::task::AbortOnDropHandle;
use turted_core::{Call, Caller, Failure, Identity, Line, Notice, Payload, Rejection, Responder, Tag, Told};

use super::actor::Connection;
use crate::dispatcher::{Ask, Pending, Permit, Request};

/// Calls of one connection under way at once.
const AT_ONCE: usize = 16;
/// Calls of one connection that wait until others are answered.
const WAITING: usize = 64;
/// Words of responders, and of the client into a call, that wait for whoever is slower.
const WORDS: usize = 16;
/// Bytes in an outbox beyond which responders wait.
const ROOM: usize = 64 * 1024;
/// When to look again whether there is room.
const LOOK: Duration = Duration::from_millis(10);
/// When it is worth while to ask again somebody who did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Calls of one connection that are not answered.
pub struct Calls {
    running: Vec<Running>,
    waiting: VecDeque<Begin>,
    next: u64,
    words: mpsc::Receiver<(u64, Word)>,
    mouth: mpsc::Sender<(u64, Word)>,
}

struct Running {
    number: u64,
    tag: Tag,
    said: Option<mpsc::Sender<Payload>>,
    is_awaited: bool,
    _task: AbortOnDropHandle<()>,
}

/// A call that may begin.
struct Begin {
    call: Call,
    tag: Tag,
    caller: Caller,
    responder: Arc<dyn Responder>,
    /// Whether a request waits for the answer, so that nothing else has its turn.
    is_awaited: bool,
}

enum Word {
    Told(Payload),
    Answer(Result<Payload, Failure>),
}

impl Default for Calls {
    fn default() -> Self {
        let (mouth, words) = mpsc::channel(WORDS);
        Self {
            running: Vec::new(),
            waiting: VecDeque::new(),
            next: 0,
            words,
            mouth,
        }
    }
}

impl Calls {
    fn begin(&mut self, begin: Begin) {
        if self.running.len() >= AT_ONCE {
            return self.waiting.push_back(begin);
        }
        let Begin {
            call,
            tag,
            caller,
            responder,
            is_awaited,
        } = begin;
        let number = self.next;
        self.next += 1;
        let (said, hears) = mpsc::channel(WORDS);
        let task = ask(number, responder, call, caller, hears, self.mouth.clone());
        self.running.push(Running {
            number,
            tag,
            said: Some(said),
            is_awaited,
            _task: AbortOnDropHandle::new(tokio::spawn(task)),
        });
    }

    /// Stops a call, or lets one that waits never begin; the next that waits has its turn. False when there is none.
    fn cancel(&mut self, call: &Arc<str>) -> bool {
        let is_it = |tag: &Tag| tag.as_ref() == Some(call);
        if let Some(at) = self.running.iter().position(|one| is_it(&one.tag)) {
            self.running.remove(at);
            if let Some(next) = self.waiting.pop_front() {
                self.begin(next);
            }
            return true;
        }
        let waits = self.waiting.iter().position(|one| is_it(&one.tag));
        waits.and_then(|at| self.waiting.remove(at)).is_some()
    }

    /// What the client is told, under which tag, and whether a request has waited for it; the next call that waits has
    /// its turn.
    fn tell(&mut self, number: u64, word: Word) -> Option<(Notice, Tag, bool)> {
        let at = self.running.iter().position(|one| one.number == number)?;
        match word {
            Word::Told(payload) => Some((Notice::Told(payload), self.running[at].tag.clone(), false)),
            Word::Answer(answer) => {
                let Running { tag, is_awaited, .. } = self.running.remove(at);
                if let Some(next) = self.waiting.pop_front() {
                    self.begin(next);
                }
                let notice = answer.map_or_else(|failure| Notice::Rejected(failure.into()), Notice::Answer);
                Some((notice, tag, is_awaited))
            }
        }
    }
}

/// Asks, within the time that there is, and says what comes of it.
async fn ask(
    number: u64,
    responder: Arc<dyn Responder>,
    call: Call,
    caller: Caller,
    said: mpsc::Receiver<Payload>,
    mouth: mpsc::Sender<(u64, Word)>,
) {
    let first = Arc::new(Notify::new());
    let (teller, told) = (mouth.clone(), Arc::clone(&first));
    let told = Told::new(move |payload| {
        told.notify_one();
        let teller = teller.clone();
        async move { teller.send((number, Word::Told(payload))).await.is_ok() }.boxed()
    });
    let name = Arc::clone(&call.name);
    let patience = responder.patience();
    let answer = AssertUnwindSafe(async move { responder.answer(call, caller, Line { told, said }).await });
    let over = async move {
        if tokio::time::timeout(patience, first.notified()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    let unavailable = |why: &str| {
        error!("the call of {name} was not answered: {why}");
        Err(Failure::Unavailable { after: RETRY })
    };
    let answer = match select(answer.catch_unwind().boxed(), over.boxed()).await {
        Either::Left((Ok(answer), _)) => answer,
        Either::Left((Err(_), _)) => unavailable("its responder panicked"),
        Either::Right(_) => unavailable("it took too long"),
    };
    // A client that has gone is told nothing.
    let _ = mouth.send((number, Word::Answer(answer))).await;
}

impl Connection {
    /// Asks whether the client may ask, and begins if it may. What it wants next does not wait for the answer.
    pub(in crate::client) fn call(&mut self, call: Call, permit: Permit, tag: Tag, cx: &mut Context<Self>) {
        let Some(seat) = self.client.seat else {
            return;
        };
        let (granted, grant) = oneshot::channel();
        let request = Request::Call(Arc::clone(&call.name), permit, granted);
        let asked = self.asked(Ask {
            seat,
            tag: tag.clone(),
            request,
        });
        let asked = async move {
            let answer = asked.await;
            (answer, grant.await.ok())
        };
        self.work(asked, cx, move |connection, answer, cx| {
            let (answer, identity) = answer.unzip();
            if let Some(Pending::Asks(question)) = connection.see(answer) {
                return connection.consult(question, tag.clone(), cx, move |connection, cx| {
                    connection.call(call, Permit::Granted, tag, cx);
                });
            }
            if let Some(identity) = identity.flatten() {
                connection.begin(call, identity, tag, cx);
            }
        });
    }

    fn begin(&mut self, call: Call, identity: Arc<Identity>, tag: Tag, cx: &mut Context<Self>) {
        if self.voice.ended().is_some() {
            return;
        }
        let own = self.rules.responders.get(&call.name);
        let responder = own.or_else(|| self.worker.policy.responders.get(&call.name)).cloned();
        let waiting = self.client.calls.as_ref().map_or(0, |calls| calls.waiting.len());
        let rejection = match responder {
            None => Rejection::NobodyAnswers(call.name),
            Some(_) if waiting >= WAITING => Rejection::TooManyCalls(AT_ONCE + WAITING),
            Some(responder) => {
                let caller = Caller {
                    identity,
                    connection: Arc::clone(&self.client.id),
                    address: self.client.address,
                };
                if self.client.calls.is_none() {
                    self.client.calls = Some(Box::default());
                    self.hear_answers(cx);
                }
                let is_awaited = self.voice.is_asked();
                if is_awaited {
                    self.client.turns.begin();
                }
                let calls = self.client.calls.get_or_insert_default();
                calls.begin(Begin {
                    call,
                    tag,
                    caller,
                    responder,
                    is_awaited,
                });
                return;
            }
        };
        let (tell, address) = (|| rejection.to_string(), Some(self.client.address));
        let refusals = &self.worker.policy.refusals;
        refusals.refused("call", rejection.code(), address, &tell);
        self.tell(&Notice::Rejected(rejection), &tag, cx);
    }

    /// Says something into a call that is under way, or that no more comes.
    pub(in crate::client) fn say_into(
        &mut self,
        call: &Arc<str>,
        payload: Option<Payload>,
        tag: Tag,
        cx: &mut Context<Self>,
    ) {
        let running = self.client.calls.iter_mut().flat_map(|calls| &mut calls.running);
        let mut running = running.filter(|one| one.tag.as_ref() == Some(call));
        // Whoever has said that no more comes is not heard any more.
        let said = running.next().and_then(|one| match payload {
            Some(payload) => one.said.clone().map(|said| Some((said, payload))),
            None => one.said.take().map(|_| None),
        });
        match said {
            None => self.tell(&Notice::Rejected(Rejection::NoCall), &tag, cx),
            Some(None) => self.tell(&Notice::Said, &tag, cx),
            Some(Some((said, payload))) => {
                let said = async move { said.send(payload).await.is_ok() };
                self.work(said, cx, move |connection, taken, cx| {
                    let notice = match taken {
                        Some(true) => Notice::Said,
                        Some(false) => Notice::Rejected(Rejection::NoCall),
                        None => Notice::Rejected(Rejection::Unavailable { after: RETRY }),
                    };
                    connection.tell(&notice, &tag, cx);
                });
            }
        }
    }

    /// Gives up a call that is under way, or waits.
    pub(in crate::client) fn cancel(&mut self, call: &Arc<str>, tag: &Tag, cx: &mut Context<Self>) {
        let calls = self.client.calls.as_mut();
        let notice = match calls.is_some_and(|calls| calls.cancel(call)) {
            true => Notice::Said,
            false => Notice::Rejected(Rejection::NoCall),
        };
        self.tell(&notice, tag, cx);
    }

    /// Listens to those who answer, for as long as somebody was asked.
    pub(in crate::client) fn hear_answers(&self, cx: &mut Context<Self>) {
        if self.client.calls.is_some() {
            cx.spawn(Answers(None));
        }
    }
}

/// Takes what responders say to the voice, as far as there is room.
struct Answers(Option<Pin<Box<Sleep>>>);

impl ActorFuture<Connection> for Answers {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        connection: &mut Connection,
        cx: &mut Context<Connection>,
        task: &mut Task<'_>,
    ) -> Poll<()> {
        loop {
            if let Some(wait) = &mut self.0 {
                ready!(wait.as_mut().poll(task));
                self.0 = None;
            }
            if connection.voice.weight() > ROOM {
                self.0 = Some(Box::pin(sleep(LOOK)));
                continue;
            }
            // Nobody is asked any more, or the client has moved.
            let Some(calls) = &mut connection.client.calls else {
                return Poll::Ready(());
            };
            let Some((number, word)) = ready!(calls.words.poll_recv(task)) else {
                return Poll::Ready(());
            };
            if let Some((notice, tag, was_awaited)) = calls.tell(number, word) {
                let is_over = calls.running.is_empty();
                if is_over {
                    connection.client.calls = None;
                }
                if was_awaited {
                    connection.client.turns.done();
                }
                connection.tell(&notice, &tag, cx);
                connection.advance(cx);
                if is_over {
                    return Poll::Ready(());
                }
            }
        }
    }
}
