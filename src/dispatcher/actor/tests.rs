//! What the Dispatcher does as an actor: whoever comes after the end, and many who come back at once.

use super::*;
use actix::Arbiter;
use bytes::Bytes;
use turted_core::{Delivery, EncodeEvent, Ending, Epoch, EventName, Limits, Note, Observer, Payload, Target};

use super::super::desk::DeskSettings;
use super::super::log::LogBounds;
use super::super::messages::LaneKey;
use super::super::parked::ParkingBounds;

struct Deaf;

impl Observer for Deaf {
    fn note(&self, _: &Note) {}
}

struct Plain;

impl EncodeEvent for Plain {
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes {
        Bytes::copy_from_slice(delivery.payload.as_bytes())
    }
}

/// A Dispatcher that waits for so many, and its door.
fn dispatcher(parked: usize, shutdown: Shutdown) -> (Addr<Dispatcher>, DispatcherInbox) {
    let (age, bytes, count) = (Duration::from_secs(60), 1 << 30, 10_000);
    let desk = Desk::new(DeskSettings {
        epoch: Epoch::new("e"),
        is_shared: false,
        log: LogBounds { age, bytes, count },
        parking: ParkingBounds {
            window: age,
            count: parked,
            bytes,
        },
        channels: 1,
        replay_frames: 1000,
        replay_bytes: bytes,
        encoders: vec![Arc::new(Plain)],
        queued: crate::dispatcher::Queued::new(bytes),
        observer: Arc::new(Deaf),
        ident: age,
        permissions: Arc::default(),
        tells_why: false,
        refusals: Arc::new(()),
    });
    let arbiter = Arbiter::new();
    let dispatcher =
        Dispatcher::start_in_arbiter(&arbiter.handle(), move |_| Dispatcher::new(desk, Arc::default(), ()));
    let inbox = DispatcherInbox::new(dispatcher.clone(), shutdown);
    (dispatcher, inbox)
}

fn to_all() -> Dispatch {
    let limits = Limits::default();
    let event = EventName::parse("E", &limits).unwrap();
    let payload = Payload::parse("1".into(), &limits).unwrap();
    Dispatch::new(event, vec![Target::Everybody], payload)
}

// A push that was on its way when everybody was told to go would have got a receipt, and its source would have
// dropped it, though nobody was left to hear it.
#[actix::test]
async fn what_comes_after_the_end_of_all_has_no_receipt() {
    let (_trigger, shutdown) = Shutdown::new();
    let (dispatcher, inbox) = dispatcher(1, shutdown);
    assert!(inbox.accept(to_all()).await.is_ok());
    dispatcher.send(EndAll(Ending::GoingAway)).await.unwrap();
    assert_eq!(inbox.accept(to_all()).await, Err(PushError::ShuttingDown));
}

async fn open(dispatcher: &Addr<Dispatcher>, lane: u32) -> SeatKey {
    let open = Open {
        lane: LaneKey { courier: 0, lane },
        encoder: 0,
        connection: format!("c{lane}").into(),
        token: format!("t{lane}").into(),
        address: [127, 0, 0, 1].into(),
        returns: true,
    };
    dispatcher.send(open).await.unwrap()
}

fn ask(seat: SeatKey, request: Request) -> Ask {
    let tag = None;
    Ask { seat, tag, request }
}

/// Everybody comes back at once for a hundred events each. A push that comes behind them does not wait for all. With
/// `TURTED_LONG=1 cargo test --release --lib come_back -- --nocapture`: how long pushes wait for ten thousand.
#[actix::test]
async fn a_push_does_not_wait_until_all_have_come_back() {
    let is_long = std::env::var_os("TURTED_LONG").is_some();
    let count = if is_long { 10_000 } else { 1000 };
    let (_trigger, shutdown) = Shutdown::new();
    let (dispatcher, inbox) = dispatcher(count, shutdown);
    let mut tokens = Vec::new();
    for lane in 0..u32::try_from(count).unwrap() {
        let seat = open(&dispatcher, lane).await;
        for request in [Request::Ready, Request::Gone(Ending::Vanished)] {
            dispatcher.send(ask(seat, request)).await.unwrap();
        }
        tokens.push(Arc::<str>::from(format!("t{lane}")));
    }
    for _ in 0..100 {
        inbox.accept(to_all()).await.unwrap();
    }
    let mut seats = Vec::new();
    for lane in 0..tokens.len() {
        seats.push(open(&dispatcher, u32::try_from(100_000 + lane).unwrap()).await);
    }
    let answered = Arc::new(AtomicUsize::new(0));
    let (coming, counted) = (dispatcher.clone(), Arc::clone(&answered));
    let begun = Arbiter::new().spawn(async move {
        for (seat, token) in seats.into_iter().zip(tokens) {
            let (dispatcher, answered) = (coming.clone(), Arc::clone(&counted));
            actix::spawn(async move {
                let resume = ask(seat, Request::Resume { token, last: None });
                dispatcher.send(resume).await.unwrap();
                answered.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert!(begun);
    let (mut longest, mut between) = (Duration::ZERO, 0);
    loop {
        let begun = Instant::now();
        inbox.accept(to_all()).await.unwrap();
        longest = longest.max(begun.elapsed());
        match answered.load(Ordering::Relaxed) {
            0 => {}
            all if all == count => break,
            _ => between += 1,
        }
    }
    assert!(between > 3, "{between} pushes were answered between them");
    if is_long {
        println!("{count} came back; no push waited longer than {longest:?}");
    }
}
