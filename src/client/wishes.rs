//! What it takes to grant a wish.
//!
//! In: an intent, when it has its turn. Out: the Dispatcher's answer through the voice, in the order of the questions.
//! A wish has a time limit; while it is in work the heartbeat, the end, and everything else of the connection go on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{AsyncContext, Context, MailboxError};
use futures_util::FutureExt;
use log::error;
use tokio::sync::oneshot;
use tokio::time::timeout;
use turted_core::auth::confirm;
use turted_core::{
    Brought, Denial, Dispatch, Ending, Identity, Intent, Notice, Presented, Refusal, Rejection, Tag, UserName, Visitor,
};

use super::actor::Connection;
use super::courier::Fence;
use crate::dispatcher::{Ask, Open, Pending, Permit, Question, Request, Vouched};

/// When to ask again whoever did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How long whoever joins a channel waits for its sources; some clients wait five seconds for an answer.
const SETTLE: Duration = Duration::from_secs(2);
/// Of a client whose request says nothing about who it is.
static NOTHING: Brought = Brought {
    bearer: None,
    cookies: Vec::new(),
    headers: Vec::new(),
};

/// What the Dispatcher makes of a request.
pub(in crate::client) type Asked = Result<Option<Pending>, MailboxError>;

impl Connection {
    /// Asks for a seat; until it is there everything else waits, which is as long as one turn of the Dispatcher takes.
    pub(in crate::client) fn take_seat(&mut self, open: Open, cx: &mut Context<Self>) {
        let opened = self.worker.dispatcher.send(open);
        self.client.turns.begin();
        cx.wait(opened.into_actor(self).map(|seat, connection, cx| {
            connection.client.turns.done();
            match (seat, connection.voice.ended()) {
                (Ok(seat), ended) => {
                    connection.client.seat = Some(seat);
                    // Some conversations end with their first words.
                    if let Some(ending) = ended {
                        connection.depart(ending, cx);
                    }
                }
                (Err(_), _) => connection.voice.end(Ending::Internal),
            }
            connection.advance(cx);
        }));
    }

    /// Begins to grant a wish.
    pub(in crate::client) fn grant(&mut self, intent: Intent, tag: Tag, cx: &mut Context<Self>) {
        if self.voice.ended().is_some() {
            return;
        }
        self.client.is_ready |= !waits(&intent);
        let request = match intent {
            Intent::Ready => Request::Ready,
            Intent::Ident { claimed, data } => return self.verify(claimed, data, tag, cx),
            Intent::Join(channel) => Request::Join(channel, Permit::None),
            Intent::Publish(publication) => Request::Publish(publication, Permit::None),
            Intent::Call(call) => return self.call(call, Permit::None, tag, cx),
            Intent::Say { call, payload } => return self.say_into(&call, payload, tag, cx),
            Intent::Cancel { call } => return self.cancel(&call, &tag, cx),
            Intent::Leave(channel) => Request::Leave(channel),
            Intent::Resume { token, last } => Request::Resume { token, last },
            Intent::Arrive(arrival) => {
                let vouched = Vouched::new(Arc::clone(&arrival.identity)).presenting(arrival.presented.clone());
                Request::Arrive(arrival, vouched)
            }
            // `core` may name wishes before anybody here grants them.
            other => {
                error!("{} wants what nobody grants: {other:?}", self.client.id);
                let rejection = Rejection::BadMessage("this server does not grant that".into());
                return self.tell(&Notice::Rejected(rejection), &tag, cx);
            }
        };
        self.ask(request, tag, cx);
    }

    /// Tells a request again what came after an id.
    pub(in crate::client) fn again(&mut self, last: Arc<str>, done: oneshot::Sender<()>, cx: &mut Context<Self>) {
        let Some(seat) = self.client.seat else {
            return;
        };
        let request = Request::Since(last);
        let asked = self.asked(Ask {
            seat,
            tag: None,
            request,
        });
        self.work(asked, cx, move |connection, answer, _| {
            connection.see(answer);
            // Whoever does not wait for it any more has no use for it.
            let _ = done.send(());
        });
    }

    /// Waits for the answer to be on its way before the next turn, so that answers come in the order of the questions.
    fn ask(&mut self, request: Request, tag: Tag, cx: &mut Context<Self>) {
        let Some(seat) = self.client.seat else {
            return;
        };
        // The same once more, should its channel's sources have to be waited for, or the user's backend have to grant
        // it.
        let settled = match &request {
            Request::Join(channel, permit) => Some(Request::JoinNow(channel.clone(), *permit)),
            _ => None,
        };
        let granted = match &request {
            Request::Join(channel, Permit::None) => Some(Request::Join(channel.clone(), Permit::Granted)),
            Request::Publish(said, Permit::None) => Some(Request::Publish(said.clone(), Permit::Granted)),
            _ => None,
        };
        let ask = Ask {
            seat,
            tag: tag.clone(),
            request,
        };
        let asked = self.asked(ask);
        self.work(asked, cx, |connection, answer, cx| {
            match (connection.see(answer), granted, settled) {
                (Some(Pending::Asks(question)), Some(granted), _) => {
                    connection.consult(question, tag.clone(), cx, |connection, cx| {
                        connection.ask(granted, tag, cx);
                    });
                }
                (Some(Pending::Settles(settling)), _, Some(settled)) => {
                    // A source that is slow is no reason not to be in a channel.
                    let waited = timeout(SETTLE, settling.wait());
                    connection.work(waited, cx, |connection, _, cx| connection.ask(settled, tag, cx));
                }
                (Some(Pending::Submits(dispatch)), ..) => connection.submit(*dispatch, tag, cx),
                _ => {}
            }
        });
    }

    /// Has what the client says put into the order that several nodes share, and tells it then.
    fn submit(&mut self, dispatch: Dispatch, tag: Tag, cx: &mut Context<Self>) {
        let inbox = self.worker.inbox.clone();
        let submitted = async move { inbox.notify(dispatch).await };
        self.work(submitted, cx, |connection, answer, cx| {
            let why = match answer {
                Some(Ok(receipt)) => return connection.ask(Request::Published(receipt), tag, cx),
                Some(Err(why)) => why.to_string(),
                None => "it got no place in time".to_owned(),
            };
            let rejection = Rejection::Unavailable { after: RETRY };
            let address = Some(connection.client.address);
            let refusals = &connection.worker.policy.refusals;
            refusals.refused("publish", rejection.code(), address, &|| why.clone());
            connection.tell(&Notice::Rejected(rejection), &tag, cx);
        });
    }

    /// Behind the Dispatcher, the courier has handed the answer to the voice when it reaches the fence.
    pub(in crate::client) fn asked(&self, ask: Ask) -> impl Future<Output = Asked> + use<> {
        let (dispatcher, courier) = (self.worker.dispatcher.clone(), self.worker.carrier.clone());
        async move {
            let pending = dispatcher.send(ask).await?;
            courier.send(Fence).await?;
            Ok(pending)
        }
    }

    /// Does something that takes time: `then` sees what came of it, or `None` after the time limit or a panic.
    pub(in crate::client) fn work<T: 'static>(
        &mut self,
        work: impl Future<Output = T> + 'static,
        cx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, Option<T>, &mut Context<Self>) + 'static,
    ) {
        self.client.turns.begin();
        let limited = timeout(self.worker.patience, AssertUnwindSafe(work).catch_unwind());
        cx.spawn(limited.into_actor(self).map(|outcome, connection, cx| {
            connection.client.turns.done();
            then(connection, outcome.ok().and_then(Result::ok), cx);
            connection.listen_to_itself(cx);
            connection.advance(cx);
        }));
    }

    /// What must happen before there is an answer, if anything. A Dispatcher or a courier that does not answer cannot
    /// be asked anything more.
    pub(in crate::client) fn see(&self, answer: Option<Asked>) -> Option<Pending> {
        match answer {
            Some(Ok(pending)) => pending,
            _ if self.voice.ended().is_some() => None,
            _ => {
                error!("{} was not answered and is ended", self.client.id);
                self.voice.end(Ending::Internal);
                None
            }
        }
    }

    /// What the conversation wanted when it was told something comes before the rest.
    pub(in crate::client) fn listen_to_itself(&mut self, cx: &mut Context<Self>) {
        let uttered = self.voice.uttered();
        self.take_up(uttered, cx);
    }

    pub(in crate::client) fn tell(&mut self, notice: &Notice, tag: &Tag, cx: &mut Context<Self>) {
        self.voice.tell(notice, tag);
        self.listen_to_itself(cx);
    }

    /// Asks who the client is, by what it presents and what its request brought.
    fn confirmed(&self, data: Presented) -> impl Future<Output = Result<Identity, Refusal>> + use<> {
        let (clients, brought) = (Arc::clone(&self.worker.policy.clients), self.client.brought.clone());
        let (id, address, dialect) = (Arc::clone(&self.client.id), self.client.address, self.rules.dialect);
        async move {
            let visitor = Visitor {
                address: Some(address),
                connection: &id,
                dialect,
                ..Visitor::new(&data, brought.as_deref().unwrap_or(&NOTHING))
            };
            confirm(&*clients, &visitor).await
        }
    }

    fn verify(&mut self, claimed: Option<UserName>, data: Presented, tag: Tag, cx: &mut Context<Self>) {
        let confirmed = self.confirmed(data.clone());
        self.work(confirmed, cx, move |connection, verdict, cx| {
            if connection.voice.ended().is_some() {
                return;
            }
            let identity = connection
                .in_time(verdict)
                .map_err(|refusal| connection.turn_away(refusal))
                .and_then(|identity| named(identity, claimed));
            match identity {
                Ok(identity) => {
                    let vouched = Vouched::new(Arc::new(identity)).presenting(Some(data));
                    connection.ask(Request::Ident(vouched), tag, cx);
                }
                Err(rejection) => connection.tell(&Notice::Rejected(rejection), &tag, cx),
            }
        });
    }

    /// Whoever vouched for it wants to be asked again: with what the client said last. Only a no ends it.
    pub(in crate::client) fn renew(&mut self, presented: Option<Presented>, cx: &mut Context<Self>) {
        if self.voice.ended().is_some() {
            return;
        }
        let confirmed = self.confirmed(presented.clone().unwrap_or_default());
        self.work(confirmed, cx, move |connection, verdict, cx| {
            if connection.voice.ended().is_some() {
                return;
            }
            let request = match connection.in_time(verdict) {
                Ok(identity) => Request::Renewed(Vouched::new(Arc::new(identity)).presenting(presented)),
                Err(refusal) => match connection.turn_away(refusal) {
                    Rejection::Unavailable { after } => Request::Unconfirmed(after),
                    _ => return connection.voice.end(Ending::Expired),
                },
            };
            connection.ask(request, None, cx);
        });
    }

    /// An authenticator that does not answer in time is neither a yes nor a no.
    fn in_time(&self, verdict: Option<Result<Identity, Refusal>>) -> Result<Identity, Refusal> {
        verdict.unwrap_or_else(|| {
            error!("the authenticator of clients did not answer {}", self.client.id);
            Err(Refusal::Unavailable { after: RETRY })
        })
    }

    /// What a client is told that is not who it says; the operator hears why.
    fn turn_away(&self, refusal: Refusal) -> Rejection {
        let (rejection, why) = match refusal {
            Refusal::Denied(Denial { why, word }) => (Rejection::IdentDenied(word.map(Arc::from)), why),
            Refusal::Expired => (Rejection::Expired, "its token has expired".into()),
            Refusal::Unavailable { after } => (Rejection::Unavailable { after }, "whoever knows did not answer".into()),
        };
        let tell = || format!("{why}; see [auth.clients]");
        let address = Some(self.client.address);
        self.worker
            .policy
            .refusals
            .refused("ident", rejection.code(), address, &tell);
        rejection
    }

    /// Asks the user's backend what the permissions leave to it, and goes on if it grants it.
    pub(in crate::client) fn consult(
        &mut self,
        question: Question,
        tag: Tag,
        cx: &mut Context<Self>,
        go_on: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        let Question { verb, name, identity } = question;
        let adviser = self.worker.policy.adviser.clone();
        let asked = {
            let name = Arc::clone(&name);
            async move {
                match adviser {
                    Some(adviser) => adviser.may(verb, &name, &identity).await,
                    None => Ok(false),
                }
            }
        };
        self.work(asked, cx, move |connection, answer, cx| {
            let rejection = match answer.unwrap_or(Err(RETRY)) {
                Ok(true) => return go_on(connection, cx),
                Ok(false) => Rejection::Denied { verb, name, why: None },
                Err(after) => Rejection::Unavailable { after },
            };
            let tell = || "the backend of [may.ask] did not grant it".to_owned();
            let address = Some(connection.client.address);
            connection
                .worker
                .policy
                .refusals
                .refused(verb.word(), rejection.code(), address, &tell);
            connection.tell(&Notice::Rejected(rejection), &tag, cx);
        });
    }
}

/// Whether a wish leaves it to the client to say when it wants events.
pub(in crate::client) fn waits(intent: &Intent) -> bool {
    matches!(intent, Intent::Arrive(arrival) if arrival.waits)
}

/// An identity with the name that the client gives, where that is taken.
///
/// # Errors
/// When there is no name although there has to be one.
pub fn named(mut identity: Identity, claimed: Option<UserName>) -> Result<Identity, Rejection> {
    if identity.as_claimed && identity.user.is_none() {
        identity.user = Some(claimed.ok_or(Rejection::MissingField("data.username"))?);
    }
    Ok(identity)
}
