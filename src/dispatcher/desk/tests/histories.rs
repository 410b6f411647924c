//! Random histories against a simple model: exactly the right connections, once, in order, never after LEAVE, and the
//! same when the wire is lost and found again at random moments.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Open,
    Ident(usize, u8),
    Join(usize, u8),
    Leave(usize, u8),
    /// The wire breaks; the events of the last moments never arrive.
    Lose(usize, usize),
    Resume(usize),
    /// A client that polls lost the answer with the events of the last moments, and says what it has.
    Poll(usize, usize),
    End(usize),
    Push(BTreeSet<u8>, BTreeSet<u8>, bool, Option<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..6_usize;
    let (name, heard) = (0..3_u8, 0..6_u8);
    let names = proptest::collection::btree_set(0..3_u8, 0..3);
    prop_oneof![
        1 => Just(Step::Open),
        2 => (who.clone(), name).prop_map(|(who, name)| Step::Ident(who, name)),
        3 => (who.clone(), heard.clone()).prop_map(|(who, name)| Step::Join(who, name)),
        2 => (who.clone(), heard).prop_map(|(who, name)| Step::Leave(who, name)),
        2 => (who.clone(), 0..4_usize).prop_map(|(who, lost)| Step::Lose(who, lost)),
        3 => who.clone().prop_map(Step::Resume),
        2 => (who.clone(), 0..4_usize).prop_map(|(who, lost)| Step::Poll(who, lost)),
        1 => who.clone().prop_map(Step::End),
        6 => (names.clone(), names, any::<bool>(), proptest::option::of(who))
            .prop_map(|(users, channels, all, exclude)| Step::Push(users, channels, all, exclude)),
    ]
}

/// Channels by their number, and patterns behind them.
const HEARD: [&str; 6] = ["a/0", "a/1", "b/0", "a/*", "b/**", "**"];

fn heard(number: u8) -> Subscription {
    match HEARD[usize::from(number)] {
        name if name.ends_with('*') => pattern(name),
        name => channel(name),
    }
}

/// What one client believes and has heard.
struct Client {
    seat: SeatKey,
    lane: usize,
    name: String,
    token: String,
    attached: bool,
    ended: bool,
    user: Option<u8>,
    channels: BTreeSet<u8>,
    /// Sequence numbers that it must hear, in order.
    expected: Vec<u64>,
    /// Sequence numbers that it has heard, in order.
    heard: Vec<u64>,
    /// How many of them came before the last answer: an answer proves that they arrived.
    proven: usize,
}

/// Whether whoever joined this hears that channel.
fn model_of(joined: u8, channel: u8) -> bool {
    match joined {
        3 => channel < 2,
        4 => channel == 2,
        5 => true,
        joined => joined == channel,
    }
}

#[derive(Default)]
struct Model {
    clients: Vec<Client>,
}

impl Model {
    /// Moves what arrived on the lanes to the clients.
    fn listen(&mut self, story: &mut Story) {
        for client in self.clients.iter_mut().filter(|client| client.attached) {
            for text in story.take(client.lane) {
                if let Some(rest) = text.strip_prefix("e-") {
                    client.heard.push(rest.split(' ').next().unwrap().parse().unwrap());
                }
            }
        }
    }

    fn connect(story: &mut Story) -> (SeatKey, usize) {
        let (seat, lane) = story.open();
        story.take(lane);
        (seat, lane)
    }

    fn play(&mut self, story: &mut Story, step: Step) {
        match step {
            Step::Open => {
                let (seat, lane) = Self::connect(story);
                story.ask(seat, Request::Ready);
                self.clients.push(Client {
                    seat,
                    lane,
                    name: format!("c{lane}"),
                    token: format!("t{lane}"),
                    attached: true,
                    ended: false,
                    user: None,
                    channels: BTreeSet::new(),
                    expected: Vec::new(),
                    heard: Vec::new(),
                    proven: 0,
                });
            }
            Step::Push(users, channels, all, exclude) => self.push(story, &users, &channels, all, exclude),
            Step::Ident(who, name) => self.with(story, who, |story, client| {
                story.ask(client.seat, ident(&name.to_string()));
                client.user = Some(name);
                client.proven = client.heard.len();
            }),
            Step::Join(who, name) => self.with(story, who, |story, client| {
                story.ask(client.seat, Request::Join(heard(name), Permit::None));
                // More than three are refused.
                if client.channels.len() < 3 {
                    client.channels.insert(name);
                }
                client.proven = client.heard.len();
            }),
            Step::Leave(who, name) => self.with(story, who, |story, client| {
                story.ask(client.seat, Request::Leave(heard(name)));
                client.channels.remove(&name);
                client.proven = client.heard.len();
            }),
            Step::End(who) => self.with(story, who, |story, client| {
                story.ask(client.seat, Request::Gone(Ending::Normal));
                client.attached = false;
                client.ended = true;
            }),
            Step::Lose(who, lost) => self.with(story, who, |story, client| {
                story.ask(client.seat, Request::Gone(Ending::Vanished));
                client.attached = false;
                let kept = client.heard.len().saturating_sub(lost).max(client.proven);
                client.heard.truncate(kept);
            }),
            Step::Poll(who, lost) => self.with(story, who, |story, client| {
                let kept = client.heard.len().saturating_sub(lost).max(client.proven);
                if let Some(last) = client.heard[..kept].last() {
                    let last = format!("e-{last}").into();
                    client.heard.truncate(kept);
                    story.ask(client.seat, Request::Since(last));
                }
            }),
            Step::Resume(who) => self.resume(story, who),
        }
        self.listen(story);
    }

    fn with(&mut self, story: &mut Story, who: usize, act: impl FnOnce(&mut Story, &mut Client)) {
        if let Some(client) = self.clients.get_mut(who).filter(|client| client.attached) {
            act(story, client);
        }
    }

    fn resume(&mut self, story: &mut Story, who: usize) {
        let Some(client) = self.clients.get_mut(who).filter(|client| !client.ended) else {
            return;
        };
        let (seat, lane) = Self::connect(story);
        let last = client.heard.last().map(|sequence| format!("e-{sequence}"));
        story.resume(seat, &client.token, last.as_deref());
        if client.attached {
            assert_eq!(
                story.take(client.lane),
                ["end 4011", "retired"],
                "the older wire is told"
            );
        }
        (client.seat, client.lane, client.attached) = (seat, lane, true);
        client.token = format!("t{lane}");
    }

    fn push(
        &mut self,
        story: &mut Story,
        users: &BTreeSet<u8>,
        channels: &BTreeSet<u8>,
        all: bool,
        exclude: Option<usize>,
    ) {
        let left_out = exclude
            .and_then(|who| self.clients.get(who))
            .map(|client| client.name.clone());
        let targets = users.iter().map(|name| Target::User(user(&name.to_string())));
        let targets = targets.chain(
            channels
                .iter()
                .map(|name| Target::Channel(channel(HEARD[usize::from(*name)]))),
        );
        let targets = targets.chain(all.then_some(Target::Everybody)).collect();
        let receipt = story.push(
            targets,
            Exclude {
                connections: left_out.iter().map(|name| Arc::from(name.as_str())).collect(),
                users: Vec::new(),
            },
        );
        let mut reached = 0;
        for client in self.clients.iter_mut().filter(|client| !client.ended) {
            let hears = |number: &u8| channels.iter().any(|name| model_of(*number, *name));
            let matches =
                all || client.user.is_some_and(|user| users.contains(&user)) || client.channels.iter().any(hears);
            if matches && left_out.as_ref() != Some(&client.name) {
                client.expected.push(receipt.id.sequence);
                reached += usize::from(client.attached);
            }
        }
        assert_eq!(receipt.recipients, reached);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_hears_exactly_what_is_meant_for_them(steps in proptest::collection::vec(step(), 1..80)) {
        let mut story = Story::with_log(10_000);
        let mut model = Model::default();
        for step in steps {
            model.play(&mut story, step);
            for client in model.clients.iter().filter(|client| client.attached) {
                prop_assert_eq!(&client.heard, &client.expected, "{}", client.name);
            }
        }
        // Whoever is still away comes back and has missed nothing.
        for who in 0..model.clients.len() {
            model.play(&mut story, Step::Resume(who));
        }
        for client in model.clients.iter().filter(|client| !client.ended) {
            prop_assert_eq!(&client.heard, &client.expected, "{}", client.name);
        }
    }
}
