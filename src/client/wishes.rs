//! What it takes to grant a wish.
//!
//! In: an intent, when it has its turn. Out: the Dispatcher's answer through the voice, in the order of the questions.
//! A wish has a time limit; while it is in work the heartbeat, the end, and everything else of the connection go on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{AsyncContext, Context};
use futures_util::FutureExt;
use log::error;
use tokio::sync::oneshot;
use tokio::time::timeout;
use turted_core::{Credentials, Denied, Ending, Identity, Intent, Notice, Rejection, Tag, UserName};

use super::actor::Connection;
use super::courier::Fence;
use crate::dispatcher::{Ask, Open, Request};

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
        self.client.is_ready = true;
        let request = match intent {
            Intent::Ready => Request::Ready,
            Intent::Ident { claimed, data } => return self.verify(claimed, data, tag, cx),
            Intent::Join(channel) => Request::Join(channel),
            Intent::Leave(channel) => Request::Leave(channel),
            Intent::Resume { token, last } => Request::Resume { token, last },
            Intent::Arrive(arrival) => Request::Arrive(arrival),
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
        if let Some(seat) = self.client.seat {
            let asked = self.asked(Ask { seat, tag, request });
            self.work(asked, cx, |connection, answer, _| connection.see(answer));
        }
    }

    /// Behind the Dispatcher, the courier has handed the answer to the voice when it reaches the fence.
    pub(in crate::client) fn asked(&self, ask: Ask) -> impl Future<Output = bool> + use<> {
        let (dispatcher, courier) = (self.worker.dispatcher.clone(), self.worker.carrier.clone());
        async move { dispatcher.send(ask).await.is_ok() && courier.send(Fence).await.is_ok() }
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

    /// A Dispatcher or a courier that does not answer cannot be asked anything more.
    pub(in crate::client) fn see(&self, answer: Option<bool>) {
        if answer != Some(true) && self.voice.ended().is_none() {
            error!("{} was not answered and is ended", self.client.id);
            self.voice.end(Ending::Internal);
        }
    }

    /// What the conversation wanted when it was told something comes before the rest.
    pub(in crate::client) fn listen_to_itself(&mut self, cx: &mut Context<Self>) {
        let uttered = self.voice.uttered();
        self.take_up(uttered, cx);
    }

    fn tell(&mut self, notice: &Notice, tag: &Tag, cx: &mut Context<Self>) {
        self.voice.tell(notice, tag);
        self.listen_to_itself(cx);
    }

    fn verify(&mut self, claimed: Option<UserName>, data: serde_json::Value, tag: Tag, cx: &mut Context<Self>) {
        let (clients, bearer) = (Arc::clone(&self.worker.clients), self.client.bearer.clone());
        let verified = async move {
            let credentials = Credentials {
                data: &data,
                bearer: bearer.as_deref(),
            };
            clients.verify(credentials).await
        };
        self.work(
            verified,
            cx,
            move |connection, verdict: Option<Result<Identity, Denied>>, cx| {
                let user = match verdict {
                    Some(Ok(Identity { user })) => user.or(claimed).ok_or(Rejection::MissingField("data.username")),
                    Some(Err(Denied)) => Err(Rejection::IdentDenied),
                    None => {
                        error!("the authenticator of clients did not answer {}", connection.client.id);
                        Err(Rejection::Unavailable)
                    }
                };
                match user {
                    _ if connection.voice.ended().is_some() => {}
                    Ok(user) => connection.ask(Request::Ident(user), tag, cx),
                    Err(rejection) => connection.tell(&Notice::Rejected(rejection), &tag, cx),
                }
            },
        );
    }
}
