//! The actor of one client.
//!
//! In: messages of its carrier. Out: turns, one after the other; signs of life; an end. It sees to it that its seat is
//! given up exactly once. What a wish takes is in [`wishes`](super::wishes).

use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use actix::prelude::SendError;
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, Running, SpawnHandle};
use futures_util::Stream;
use turted_core::{Ending, Intent, Presented};

use super::heartbeat::{Beat, Heart};
use super::newcomer::{Client, Inbound, Newcomer, Worker};
use super::pump::Pump;
use super::requests::readers::Readers;
use super::requests::rules::{Rules, Start};
use super::turns::{Reply, Taken, Turn};
use super::voice::{Uttered, Voice};
use super::wishes::waits;
use crate::dispatcher::{Ask, LaneKey, Open, Request, SeatKey};

/// How much later than another request of its client one may come that was sent before it.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// How long a socket may take to close that was told goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// A client.
pub struct Connection {
    pub(in crate::client) worker: Rc<Worker>,
    pub(in crate::client) voice: Rc<Voice>,
    pub(in crate::client) rules: Arc<Rules>,
    pub(in crate::client) client: Client,
    pub(in crate::client) readers: Readers,
    /// Whoever reads the client's socket, while something waits for its turn.
    pub(in crate::client) held_back: Option<Waker>,
    /// When events begin, whether or not the client has said that it wants them.
    pub(in crate::client) starts_by: Option<Instant>,
    pub(in crate::client) alarm: Option<SpawnHandle>,
    pub(in crate::client) lingering: Option<SpawnHandle>,
}

impl Connection {
    /// Starts a connection: it speaks first, asks for a seat, and then hears what its carrier reads. `encoder` is the
    /// number of its encoder.
    pub fn open(
        worker: &Rc<Worker>,
        voice: &Rc<Voice>,
        rules: &Arc<Rules>,
        encoder: usize,
        mut newcomer: Newcomer,
        inbound: impl Stream<Item = Inbound> + 'static,
    ) -> Addr<Self> {
        let (welcome, first, address) = (newcomer.welcome.clone(), newcomer.first.take(), newcomer.address);
        let returns = newcomer.returns;
        if let Some(opening) = newcomer.opening.take() {
            voice.control(opening);
        }
        let lane = LaneKey {
            courier: worker.courier,
            lane: worker.voices.insert(Rc::clone(voice)),
        };
        let mut connection = Self::on(worker, voice, rules, Client::new(newcomer, worker, rules));
        Self::create(|cx| {
            connection.listen(inbound, cx);
            let uttered = connection.voice.welcome(&welcome);
            connection.client.is_ready = first.as_ref().is_some_and(|first| !waits(first));
            connection
                .client
                .turns
                .insert(first.map(|first| (first, None)).into_iter().collect());
            connection.take_up(uttered, cx);
            let open = Open {
                lane,
                encoder,
                connection: welcome.connection,
                token: welcome.resume,
                address,
                returns,
            };
            connection.take_seat(open, cx);
            connection
        })
    }

    /// Goes on with a client that came from another worker.
    pub(in crate::client) fn go_on(
        worker: &Rc<Worker>,
        voice: &Rc<Voice>,
        rules: &Arc<Rules>,
        client: Client,
        inbound: impl Stream<Item = Inbound> + 'static,
    ) -> Addr<Self> {
        let mut connection = Self::on(worker, voice, rules, client);
        connection.readers = Readers::Moved;
        if rules.outlives.is_some() {
            connection.readers = Readers::Plugged;
            connection.client.heart = Heart::new(rules.heartbeat, Instant::now());
        }
        Self::create(|cx| {
            connection.listen(inbound, cx);
            connection.hear_answers(cx);
            connection
        })
    }

    fn on(worker: &Rc<Worker>, voice: &Rc<Voice>, rules: &Arc<Rules>, client: Client) -> Self {
        Self {
            worker: Rc::clone(worker),
            voice: Rc::clone(voice),
            rules: Arc::clone(rules),
            client,
            readers: Readers::Nobody,
            held_back: None,
            starts_by: None,
            alarm: None,
            lingering: None,
        }
    }

    fn listen(&self, inbound: impl Stream<Item = Inbound> + 'static, cx: &mut Context<Self>) {
        self.voice.belongs_to(cx.address().downgrade());
        if let Some(listing) = &self.client.listing {
            listing.fill(cx.address());
        }
        cx.spawn(Pump::new(inbound));
    }

    /// Goes on without the socket that carries it, if it may: it waits for the next wire. False when it ends with it.
    pub(in crate::client) fn unplug(&mut self, ending: Ending, cx: &mut Context<Self>) -> bool {
        if !self.readers.is_plugged() || self.voice.ended().is_some() {
            return false;
        }
        self.voice.unplug(ending);
        self.readers = Readers::Nobody;
        let now = Instant::now();
        self.client.last_heard = now;
        self.client.heart = Heart::new(self.rules.pulse(false), now);
        // The next look may be later than that.
        cx.run_later(self.client.heart.due() - now, |connection, cx| {
            if connection.client.heart.due() <= Instant::now() {
                connection.feel(Instant::now(), cx);
            }
        });
        true
    }

    /// Takes what the client said, whatever wire it came by. Signs of life do not wait for their turn.
    pub(in crate::client) fn hear(&mut self, inbound: Inbound, reply: Reply, cx: &mut Context<Self>) {
        self.worker.relief.look();
        match inbound {
            Inbound::Ping(pong) => self.voice.control(pong),
            Inbound::Pong => {}
            inbound => {
                self.client.turns.push(Turn::Hear(inbound, reply));
                return self.advance(cx);
            }
        }
        if let Reply::Taken(taken) = reply {
            let _ = taken.send(Taken::Heard);
        }
    }

    /// Takes one turn after the other, until a wish is in work or nothing waits.
    pub(in crate::client) fn advance(&mut self, cx: &mut Context<Self>) {
        while !self.client.turns.is_busy() {
            if !self.client.turns.goes_on() {
                // The message before has all of its answers.
                self.voice.answered();
            }
            match self.client.turns.next() {
                None => break,
                Some(Turn::Hear(inbound, reply)) => self.look_at(inbound, reply, cx),
                Some(Turn::Grant(intent, tag)) => {
                    // The first wish of a message comes with it; each further one counts like a message (CWE-770).
                    if !std::mem::take(&mut self.client.is_paid)
                        && let Err(wait) = self.pace()
                    {
                        self.client.turns.put_back(Turn::Grant(intent, tag));
                        return self.pause(wait, cx);
                    }
                    self.grant(intent, tag, cx);
                }
                Some(Turn::Renew(presented)) => self.renew(presented, cx),
                Some(Turn::Since(last, done)) => self.again(last, done, cx),
                // Whoever does not wait for it any more has no use for it.
                Some(Turn::Settle(done)) => drop(done.send(())),
                Some(Turn::Move(leave)) => self.leave(leave, cx),
            }
        }
        if !self.client.turns.holds_back()
            && let Some(pump) = self.held_back.take()
        {
            pump.wake();
        }
    }

    fn look_at(&mut self, inbound: Inbound, reply: Reply, cx: &mut Context<Self>) {
        let is_over = self.voice.ended().is_some();
        let counts = matches!(inbound, Inbound::Text(_) | Inbound::Binary(_));
        // Whoever is too fast is slowed down, not refused: its socket is not read until there is room again.
        if counts
            && !is_over
            && let Err(wait) = self.pace()
        {
            self.client.turns.put_back(Turn::Hear(inbound, reply));
            return self.pause(wait, cx);
        }
        self.client.is_paid |= counts;
        match reply {
            Reply::Usual => {}
            Reply::Taken(taken) => drop(taken.send(if is_over { Taken::Ended } else { Taken::Heard })),
            Reply::Word(_) if is_over => return,
            Reply::Word(to) => self.voice.answer_to(to),
        }
        let uttered = match inbound {
            Inbound::Close(ending) => {
                self.voice.end(ending);
                // A request for events may still be under way behind the goodbye.
                if ending == Ending::Vanished && self.client.listing.is_some() && !self.readers.is_moved() {
                    return self.take_leave(cx);
                }
                return cx.stop();
            }
            _ if is_over => return,
            Inbound::Text(text) => self.voice.receive(&text),
            Inbound::Binary(data) => self.voice.receive_binary(data),
            Inbound::Broken(ending) => return self.voice.end(ending),
            Inbound::Ping(_) | Inbound::Pong => return,
        };
        self.take_up(uttered, cx);
        // Whoever begins with something else does not come back to an earlier connection.
        let is_fresh = !self.client.is_ready && matches!(self.rules.start, Start::Grace(_));
        if is_fresh && !self.client.turns.goes_on() {
            self.client.turns.insert(vec![(Intent::Ready, None)]);
        }
    }

    /// Room for one more message, or how long it takes until there is.
    pub(in crate::client) fn pace(&mut self) -> Result<(), Duration> {
        let (rate, burst) = self.worker.pace;
        self.client.pace.take(rate, burst, Instant::now())
    }

    fn pause(&mut self, wait: Duration, cx: &mut Context<Self>) {
        self.client.turns.begin();
        cx.run_later(wait, |connection, cx| {
            connection.client.turns.done();
            connection.advance(cx);
        });
    }

    /// What a conversation said that does not concern the wire: its wishes have the next turns.
    pub(in crate::client) fn take_up(&mut self, uttered: Uttered, cx: &mut Context<Self>) {
        let Uttered { wishes, wakes } = uttered;
        self.client.turns.insert(wishes);
        if let Some(after) = wakes {
            self.client.wakes = Some(Instant::now() + after);
            self.set_alarm(cx);
        }
    }

    fn set_alarm(&mut self, cx: &mut Context<Self>) {
        if let Some(earlier) = self.alarm.take() {
            cx.cancel_future(earlier);
        }
        self.alarm = self.client.wakes.map(|at| {
            let wait = at.saturating_duration_since(Instant::now());
            cx.run_later(wait, |connection, cx| {
                connection.alarm = None;
                connection.client.wakes = None;
                let Uttered { wishes, wakes } = connection.voice.wake_conversation();
                // Nobody's turn is interrupted.
                for (intent, tag) in wishes {
                    connection.client.turns.push(Turn::Grant(intent, tag));
                }
                connection.take_up(
                    Uttered {
                        wishes: Vec::new(),
                        wakes,
                    },
                    cx,
                );
                connection.advance(cx);
            })
        });
    }

    /// One timer for both, since most connections have nothing else that waits.
    fn look_again(&mut self, cx: &mut Context<Self>) {
        let due = self.client.heart.due();
        let next = self.starts_by.map_or(due, |start| start.min(due));
        cx.run_later(next.saturating_duration_since(Instant::now()), Self::watch);
    }

    /// Begins for a client that took too long to say so, looks for signs of life, and asks for one when it is time.
    fn watch(&mut self, cx: &mut Context<Self>) {
        let now = Instant::now();
        if self.starts_by.is_some_and(|start| start <= now) {
            self.starts_by = None;
            self.start_over_its_head(cx);
        }
        if self.client.heart.due() <= now {
            self.feel(now, cx);
        }
        // `end` sends a word; should its mailbox have been full, this is the second chance.
        match self.voice.ended() {
            Some(ending) => self.depart(ending, cx),
            None => self.look_again(cx),
        }
    }

    fn start_over_its_head(&mut self, cx: &mut Context<Self>) {
        if self.client.is_ready {
            return;
        }
        match self.rules.start {
            Start::Grace(_) => {
                self.client.turns.push(Turn::Grant(Intent::Ready, None));
                self.advance(cx);
            }
            Start::WhenSaid(_) => self.voice.end(Ending::Lifeless),
        }
    }

    fn feel(&mut self, now: Instant, cx: &mut Context<Self>) {
        let rules = self.rules.pulse(self.readers.is_plugged() || self.readers.is_moved());
        // Whoever is not asked and waits for an answer is there; whoever is not read cannot be heard.
        let waits = rules.every.is_none() && self.readers.is_attached();
        let heard = if waits || self.held_back.is_some() {
            now
        } else {
            self.client.last_heard
        };
        match self.client.heart.beat(rules, heard, now) {
            Beat::Ask(_) => self.voice.ping(),
            Beat::Wait(_) => {}
            // The socket is dead, and its client may be well.
            Beat::Lifeless if self.unplug(Ending::Lifeless, cx) => {}
            Beat::Lifeless => self.voice.end(Ending::Lifeless),
        }
    }

    /// Gives the seat up and leaves the client a moment to answer the goodbye.
    pub(in crate::client) fn depart(&mut self, ending: Ending, cx: &mut Context<Self>) {
        self.client.calls = None;
        if let Some(seat) = self.client.seat.take() {
            self.give_up(seat, ending);
            // Nobody will ask for the last words of a client that shows no life.
            if ending == Ending::Lifeless && self.client.listing.is_some() && !self.readers.is_attached() {
                cx.stop();
            } else {
                self.linger(cx);
            }
        }
    }

    /// Gives the seat up and answers whoever reads, or comes to read within a moment.
    fn take_leave(&mut self, cx: &mut Context<Self>) {
        self.depart(Ending::Vanished, cx);
        self.voice.wake();
        cx.run_later(OVERTAKEN, |_, cx| cx.stop());
    }

    /// Leaves the client some time to hear the last words; begins anew each time.
    pub(in crate::client) fn linger(&mut self, cx: &mut Context<Self>) {
        if let Some(earlier) = self.lingering.take() {
            cx.cancel_future(earlier);
        }
        // Nobody asks again whose socket has the goodbye.
        let linger = match self.readers.is_plugged() {
            true => self.rules.linger.min(GOODBYE),
            false => self.rules.linger,
        };
        self.lingering = Some(cx.run_later(linger, |_, cx| cx.stop()));
    }

    pub(in crate::client) fn give_up(&self, seat: SeatKey, ending: Ending) {
        let gone = Ask {
            seat,
            tag: None,
            request: Request::Gone(ending),
        };
        // At once, if there is room: the client's next wire may be quick. Otherwise a task waits, which outlives this
        // actor: a seat must not stay behind.
        if let Err(SendError::Full(gone)) = self.worker.dispatcher.try_send(gone) {
            let dispatcher = self.worker.dispatcher.clone();
            actix::spawn(async move {
                let _ = dispatcher.send(gone).await;
            });
        }
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Self::Context) {
        if !self.client.is_ready {
            let (Start::Grace(time) | Start::WhenSaid(time)) = self.rules.start;
            self.starts_by = Some(Instant::now() + time);
        }
        self.look_again(cx);
        self.set_alarm(cx);
        // One that moved here may have ended on the way.
        match self.voice.ended() {
            Some(ending) => self.depart(ending, cx),
            None => self.advance(cx),
        }
        // Its socket may be gone already.
        if self.readers.is_plugged() && !self.voice.is_plugged() {
            self.unplug(Ending::Vanished, cx);
        }
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        let ending = self.voice.ended().unwrap_or(Ending::Vanished);
        if let Some(seat) = self.client.seat.take() {
            self.give_up(seat, ending);
        }
        self.client.turns.clear();
        self.voice.finish();
        Running::Stop
    }
}

/// The voice has something that its client's actor must see to.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Poke {
    /// It has ended.
    Ended(Ending),
    /// Its wire is lost.
    Lost,
    /// Its wire is lost, and it goes on.
    Unplugged,
    /// What it was told made it want something.
    Uttered,
    /// Its identity is to be confirmed again, by what its client presented.
    Renew(Option<Presented>),
}

impl Handler<Poke> for Connection {
    type Result = ();

    fn handle(&mut self, poke: Poke, cx: &mut Context<Self>) {
        match poke {
            Poke::Ended(ending) => self.depart(ending, cx),
            Poke::Lost => cx.stop(),
            Poke::Unplugged => {
                // Another socket may be there by now.
                if !self.voice.is_plugged() {
                    self.unplug(Ending::Vanished, cx);
                }
            }
            Poke::Renew(presented) => {
                self.client.turns.push(Turn::Renew(presented));
                self.advance(cx);
            }
            Poke::Uttered => {
                self.listen_to_itself(cx);
                self.advance(cx);
            }
        }
    }
}
