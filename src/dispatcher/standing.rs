//! What outlives the wire of a connection: who it is, and what it hears since when.
//!
//! In: memberships gained and lost. Out: for a dispatch, whether this connection hears it, why, and in which order. A
//! plain value; it knows no seat.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use turted_core::{ChannelName, Dispatch, Exclude, Identity, Subscription, Target, UserName};

use super::messages::Vouched;

/// A membership whose earlier dispatches came when it began, behind newer ones of other memberships.
#[derive(Debug, Clone)]
pub struct Late {
    /// Which.
    pub by: By,
    /// It brought what came after this number …
    pub since: u64,
    /// … up to this one, the newest when it began.
    pub at: u64,
}

/// Something by which a connection hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Its user.
    User(UserName),
    /// A channel that it is in, or a pattern of channels.
    Subscription(Subscription),
}

impl By {
    fn hears(&self, target: &Target) -> bool {
        match (self, target) {
            (Self::User(user), Target::User(name)) => user == name,
            (Self::Subscription(subscription), Target::Channel(name)) => subscription.has(name),
            _ => false,
        }
    }
}

/// The order in which a connection is given dispatches: their numbers, but where a membership came [`Late`].
pub type Order = (u64, usize, u64);

/// What outlives the wire of a connection: who it is and since which dispatch.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Public id.
    pub connection: Arc<str>,
    /// Secrets that continue it, the original first.
    pub tokens: Vec<Arc<str>>,
    /// The newest dispatch when it opened: it hears those after.
    pub opened: u64,
    /// Its user, and the newest dispatch when it became that user.
    pub user: Option<(UserName, u64)>,
    /// Its channels and patterns of channels, each with the newest dispatch when it joined.
    pub subscriptions: Vec<(Subscription, u64)>,
    /// Who vouches for its user, and what else is known about it.
    pub vouched: Option<Box<Vouched>>,
    /// Whether it does not hear what everybody is told.
    pub is_deaf: bool,
    /// What few have.
    pub rest: Rest,
    /// Without a wire: the last dispatch that was meant for it, and the newest of all when the wire was lost.
    pub left: Option<(u64, u64)>,
    /// Where it came from.
    pub address: IpAddr,
}

/// What few connections have; for the others it takes no more than a pointer.
#[derive(Debug, Clone, Default)]
pub struct Rest(Option<Box<Seldom>>);

/// What is in a [`Rest`].
#[derive(Debug, Clone)]
pub struct Seldom {
    /// Those of its subscriptions that the user's backend was asked about.
    pub asked: Vec<Subscription>,
    /// What its client brought from before a gap: until that time, each of its memberships begins after this number.
    pub behind: Option<(u64, Instant)>,
    /// Memberships that brought something from before they began, in the order in which they did.
    pub late: Vec<Late>,
}

static NOTHING: Seldom = Seldom {
    asked: Vec::new(),
    behind: None,
    late: Vec::new(),
};

impl Deref for Rest {
    type Target = Seldom;

    fn deref(&self) -> &Seldom {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl Rest {
    /// To add to it.
    pub fn add(&mut self) -> &mut Seldom {
        self.0.get_or_insert_with(|| Box::new(NOTHING.clone()))
    }

    /// To take something away, where there is anything.
    pub fn any(&mut self) -> Option<&mut Seldom> {
        self.0.as_deref_mut()
    }

    /// Bytes that it takes beside itself.
    #[must_use]
    pub fn weight(&self) -> usize {
        let late = self.late.len() * size_of::<Late>();
        late + self.0.as_ref().map_or(0, |_| size_of::<Seldom>())
    }
}

impl Standing {
    /// Why this connection hears the dispatch with this number: the first of its targets that matches.
    #[must_use]
    pub fn via<'a>(&self, sequence: u64, dispatch: &'a Dispatch) -> Option<&'a Target> {
        if self.is_excluded(&dispatch.exclude) {
            return None;
        }
        dispatch.targets.iter().find(|target| self.hears(sequence, target))
    }

    /// The channels that it is in by their names.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelName> {
        self.subscriptions.iter().filter_map(|(one, _)| match one {
            Subscription::Channel(name) => Some(name),
            Subscription::Pattern(_) => None,
        })
    }

    /// When this connection is given what it hears: at once, or with the first of its memberships that came late.
    #[must_use]
    pub fn order(&self, sequence: u64, dispatch: &Dispatch) -> Order {
        let at_once = (sequence, 0, sequence);
        let of = |by: &By| {
            let mut late = self.rest.late.iter().enumerate();
            let late = late.find(|(_, late)| late.by == *by && sequence <= late.at);
            late.map_or(at_once, |(place, late)| (late.at, place + 1, sequence))
        };
        if self.rest.late.is_empty() || dispatch.targets.iter().any(|target| self.is_told(sequence, target)) {
            return at_once;
        }
        let user = self.user.iter().map(|(user, since)| (By::User(user.clone()), *since));
        let subscriptions = self.subscriptions.iter();
        let subscriptions = subscriptions.map(|(one, since)| (By::Subscription(one.clone()), *since));
        let heard = user
            .chain(subscriptions)
            .filter(|(by, since)| *since < sequence && dispatch.targets.iter().any(|target| by.hears(target)));
        heard.map(|(by, _)| of(&by)).min().unwrap_or(at_once)
    }

    /// Notes that a membership brought something from before it began.
    pub fn came_late(&mut self, late: Late) {
        let is_kept = |by: &By| match by {
            By::User(name) => self.user.as_ref().is_some_and(|(user, _)| user == name),
            By::Subscription(name) => self.subscriptions.iter().any(|(one, _)| one == name),
        };
        let mut kept = self.rest.late.clone();
        kept.retain(|one| one.by != late.by && is_kept(&one.by));
        kept.push(late);
        self.rest.add().late = kept;
    }

    /// The number after which something that came late, and is not forgotten, may stand behind what its client `saw`.
    #[must_use]
    pub fn late_after(&self, saw: u64, forgotten: u64) -> Option<u64> {
        let late = self.rest.late.iter();
        let late = late.filter(|late| saw <= late.at && forgotten < late.at);
        late.map(|late| late.since.max(forgotten)).min()
    }

    fn hears(&self, sequence: u64, target: &Target) -> bool {
        match target {
            Target::User(name) => self
                .user
                .as_ref()
                .is_some_and(|(user, since)| user == name && *since < sequence),
            Target::Channel(name) => self
                .subscriptions
                .iter()
                .any(|(one, since)| *since < sequence && one.has(name)),
            Target::Everybody => self.is_told(sequence, target),
        }
    }

    /// Whether the target is everybody, and this connection hears what everybody is told.
    fn is_told(&self, sequence: u64, target: &Target) -> bool {
        *target == Target::Everybody && !self.is_deaf && self.opened < sequence
    }

    /// Who it is: without a user, nobody in particular.
    #[must_use]
    pub fn identity(&self) -> Arc<Identity> {
        let vouched = self.vouched.as_ref();
        vouched.map_or_else(Arc::default, |vouched| Arc::clone(&vouched.identity))
    }

    fn is_excluded(&self, exclude: &Exclude) -> bool {
        exclude.connections.contains(&self.connection)
            || self.user.as_ref().is_some_and(|(user, _)| exclude.users.contains(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each connection has one: what only few need stands in `Rest`.
    #[test]
    fn what_most_connections_do_not_have_takes_no_room() {
        let standing = size_of::<Standing>();
        assert!(standing <= 160, "{standing} bytes");
    }
}
