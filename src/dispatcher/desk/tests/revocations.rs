//! Stories about what is taken back: users that are thrown out, and tokens that hold no more.

use std::time::SystemTime;

use super::super::super::messages::{Expel, ListRevoked, Pardon, Revoke, Whom};
use super::super::super::revoked::Subject;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// An identity with a token of its own, issued so many seconds ago.
fn issued(name: &str, token: &str, ago: u64) -> Request {
    Request::Ident(Vouched::new(Arc::new(Identity {
        issued: Some(SystemTime::now() - Duration::from_secs(ago)),
        token: Some(token.into()),
        ..Identity::of(user(name))
    })))
}

impl Story {
    fn kick(&mut self, name: &str, except: &[&str], ban: Option<Duration>) -> usize {
        let expel = Expel {
            whom: Whom::User(user(name)),
            except: except.iter().map(|id| Arc::from(*id)).collect(),
            ban,
        };
        let count = self.desk.expel(expel, self.now);
        self.collect();
        count
    }

    fn revoke(&mut self, name: Option<(&str, u64)>, token: Option<&str>) -> usize {
        let before = |ago| SystemTime::now() - Duration::from_secs(ago);
        let revoke = Revoke {
            user: name.map(|(name, ago)| (user(name), before(ago))),
            token: token.map(Arc::from),
            lasts: MINUTE,
        };
        let count = self.desk.revoke(revoke, self.now);
        self.collect();
        count
    }

    fn told(&self, lane: usize) -> &str {
        self.arrived[lane].last().map_or("", String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        !self.desk.membership.of_user(name).is_empty()
    }
}

#[test]
fn a_revocation_ends_whoever_came_in_by_it_live_and_parked_and_nobody_else() {
    let mut story = Story::with_log(10);
    let seats: Vec<_> = [("adam", "old", 100), ("adam", "new", 10), ("eve", "old-of-eve", 100)]
        .into_iter()
        .map(|(name, token, ago)| {
            let (seat, _) = story.open();
            story.ask(seat, issued(name, token, ago));
            seat
        })
        .collect();
    let (parked, _) = story.open();
    story.ask(parked, issued("adam", "parked", 90));
    story.ask(parked, Request::Gone(Ending::Vanished));
    assert_eq!(
        story.revoke(Some(("adam", 50)), None),
        2,
        "one with a wire, one without"
    );
    assert!(story.desk.membership.get(seats[0]).is_none());
    assert!(story.desk.membership.get(seats[1]).is_some() && story.has("eve"));
    assert_eq!(story.desk.parking.count(), 0);
    assert_eq!(story.revoke(None, Some("old-of-eve")), 1);
    assert!(!story.has("eve"));
    assert_eq!(story.revoke(None, Some("nobody's")), 0);
    // Neither the old tokens nor the secrets open anything; a newer token does.
    for (token, ago, opens) in [("old", 100, false), ("parked", 90, false), ("newest", 0, true)] {
        let (seat, _) = story.open();
        story.ask(seat, issued("adam", token, ago));
        let user = story
            .desk
            .membership
            .get(seat)
            .and_then(|seat| seat.standing.user.clone());
        assert_eq!(user.is_some(), opens, "{token}");
    }
    for token in ["t0", "t3"] {
        let (seat, lane) = story.open();
        story.resume(seat, token, None);
        assert!(story.told(lane).contains("false 0"), "{}", story.told(lane));
    }
}

#[test]
fn a_kick_while_somebody_is_asked_about_holds_when_the_answer_comes() {
    let mut story = Story::with_log(10);
    let (seat, _) = story.open();
    // The authenticator is still asked when the ban comes; what it says then is judged in this turn.
    assert_eq!(story.kick("adam", &[], Some(MINUTE)), 0);
    story.ask(seat, ident("adam"));
    assert!(!story.has("adam"));
    // Without a ban, an answer for a wire that was ended meanwhile comes to nobody.
    let (seat, _) = story.open();
    story.ask(seat, ident("eve"));
    assert_eq!(story.kick("eve", &[], None), 1);
    story.ask(seat, ident("eve"));
    story.ask(seat, join("chat"));
    assert!(!story.has("eve"));
    let reached = story.push(vec![Target::Channel(channel("chat"))], Exclude::default());
    assert_eq!(reached.recipients, 0);
    let (seat, _) = story.open();
    story.ask(seat, ident("eve"));
    assert!(story.has("eve"), "without a ban she may come back");
    story.wait(61);
    let (seat, _) = story.open();
    story.ask(seat, ident("adam"));
    assert!(story.has("adam"), "it is over");
}

#[test]
fn those_who_are_spared_stay_also_when_something_else_is_revoked() {
    let mut story = Story::with_log(10);
    for token in ["a", "b"] {
        let (seat, _) = story.open();
        story.ask(seat, issued("adam", token, 10));
    }
    assert_eq!(story.kick("adam", &["c1"], Some(MINUTE)), 1);
    assert_eq!(story.revoke(None, Some("a")), 0);
    assert_eq!(story.revoke(Some(("eve", 0)), None), 0);
    assert!(story.has("adam"));
    assert_eq!(story.revoke(None, Some("b")), 1);
    assert!(!story.has("adam"));
}

#[test]
fn what_is_revoked_is_listed_and_can_be_forgiven() {
    let mut story = Story::with_log(10);
    story.kick("adam", &[], Some(2 * MINUTE));
    story.revoke(Some(("adam", 50)), Some("t"));
    let list = |story: &Story, name: Option<&str>, token: Option<&str>, most| {
        let wanted = ListRevoked {
            user: name.map(user),
            token: token.map(Arc::from),
            most,
        };
        let found = story.desk.list_revoked(&wanted, story.now);
        (
            found.listed.into_iter().map(|one| one.subject).collect::<Vec<_>>(),
            found.count,
        )
    };
    let (ban, older, token) = (
        Subject::User(user("adam")),
        Subject::Older(user("adam")),
        Subject::Token("t".into()),
    );
    assert_eq!(
        list(&story, None, None, 10),
        (vec![older.clone(), token.clone(), ban.clone()], 3)
    );
    assert_eq!(list(&story, None, None, 1), (vec![older.clone()], 3));
    assert_eq!(list(&story, Some("adam"), None, 10), (vec![older, ban.clone()], 2));
    assert_eq!(list(&story, None, Some("t"), 10), (vec![token], 1));
    assert_eq!(list(&story, Some("eve"), None, 10), (vec![], 0));
    let pardon = |story: &mut Story, name: Option<&str>, token: Option<&str>| {
        story.desk.pardon(Pardon {
            user: name.map(user),
            token: token.map(Arc::from),
        })
    };
    assert_eq!(pardon(&mut story, None, Some("t")), 1);
    assert_eq!(pardon(&mut story, Some("adam"), Some("t")), 2);
    assert_eq!(pardon(&mut story, Some("adam"), None), 0);
    let (seat, _) = story.open();
    story.ask(seat, ident("adam"));
    assert!(story.has("adam"));
}
