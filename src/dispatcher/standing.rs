//! What outlives the wire of a connection: who it is, and what it hears since when.
//!
//! In: memberships gained and lost. Out: for a dispatch, whether this connection hears it, why, and in which order. A
//! plain value; it knows no seat.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use turted_core::{ChannelName, Dispatch, Exclude, Identity, Target, UserName};

use super::messages::Vouched;

/// A membership whose earlier dispatches came when it began, behind newer ones of other memberships.
#[derive(Debug, Clone)]
pub struct Late {
    /// Which.
    pub target: Target,
    /// It brought what came after this number …
    pub since: u64,
    /// … up to this one, the newest when it began.
    pub at: u64,
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
    /// Its channels, each with the newest dispatch when it joined.
    pub channels: Vec<(ChannelName, u64)>,
    /// Those of them that the user's backend was asked about.
    pub asked: Vec<ChannelName>,
    /// Who vouches for its user, and what else is known about it.
    pub vouched: Option<Box<Vouched>>,
    /// Whether it does not hear what everybody is told.
    pub is_deaf: bool,
    /// What its client brought from before a gap: until that time, each of its memberships begins after this number.
    pub behind: Option<(u64, Instant)>,
    /// Memberships that brought something from before they began, in the order in which they did.
    pub late: Vec<Late>,
    /// Without a wire: the last dispatch that was meant for it, and the newest of all when the wire was lost.
    pub left: Option<(u64, u64)>,
    /// Where it came from.
    pub address: IpAddr,
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

    /// When this connection is given what it hears: at once, or with the first of its memberships that came late.
    #[must_use]
    pub fn order(&self, sequence: u64, dispatch: &Dispatch) -> Order {
        let of = |target: &Target| {
            let late = self.late.iter().enumerate();
            late.filter(|(_, late)| late.target == *target && sequence <= late.at)
                .map(|(place, late)| (late.at, place + 1, sequence))
                .next()
                .unwrap_or((sequence, 0, sequence))
        };
        let heard = dispatch.targets.iter().filter(|target| self.hears(sequence, target));
        heard.map(of).min().unwrap_or((sequence, 0, sequence))
    }

    /// Notes that a membership brought something from before it began.
    pub fn came_late(&mut self, late: Late) {
        let is_kept = |target: &Target| match target {
            Target::User(name) => self.user.as_ref().is_some_and(|(user, _)| user == name),
            Target::Channel(name) => self.channels.iter().any(|(channel, _)| channel == name),
            Target::Everybody => true,
        };
        let mut kept = std::mem::take(&mut self.late);
        kept.retain(|one| one.target != late.target && is_kept(&one.target));
        kept.push(late);
        self.late = kept;
    }

    /// The number after which something that came late, and is not forgotten, may stand behind what its client `saw`.
    #[must_use]
    pub fn late_after(&self, saw: u64, forgotten: u64) -> Option<u64> {
        let late = self.late.iter();
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
                .channels
                .iter()
                .any(|(channel, since)| channel == name && *since < sequence),
            Target::Everybody => !self.is_deaf && self.opened < sequence,
        }
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
