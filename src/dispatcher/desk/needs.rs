//! Which channels somebody needs, for sources that hear only those.
//!
//! In: what has changed during a turn. Out: at its end, the difference for the sources, so that a connection that moves
//! from one place to another within a turn needs its channels all the time.

use std::time::Instant;

use turted_core::may::{Names, Verb, Verdict};
use turted_core::occupancy::Settling;
use turted_core::{ChannelName, Occupancy};

use super::super::messages::{Permit, SeatKey};
use super::super::needs::Needs;
use super::Desk;

impl Desk {
    /// Tells `occupancy` from here on which channels are needed. To be called before anybody calls.
    pub fn tell(&mut self, occupancy: Occupancy) {
        self.membership.watch();
        self.parking.watch();
        self.needs = Some(Needs::new(occupancy));
    }

    /// Tells the sources what has changed in this turn.
    pub fn tell_needs(&mut self) {
        let Some(needs) = &mut self.needs else {
            return;
        };
        let mut turned = self.membership.turned();
        turned.extend(self.parking.turned());
        turned.extend(needs.turned());
        if turned.is_empty() {
            return;
        }
        let (membership, parking) = (&self.membership, &self.parking);
        let is_needed =
            |name: &ChannelName| membership.has_members(name) || parking.awaits(name) || needs.expects(name);
        needs.occupancy.change(turned.into_iter().map(|name| {
            let is_needed = is_needed(&name);
            (name, is_needed)
        }));
    }

    /// What a connection has to wait for that may join a channel: its sources are told that it is needed, and whatever
    /// they hear after that is for it.
    pub(super) fn settling(
        &mut self,
        key: SeatKey,
        name: &ChannelName,
        permit: Permit,
        now: Instant,
    ) -> Option<Settling> {
        self.needs.as_ref()?;
        let standing = &self.membership.get(key)?.standing;
        let is_in = standing.channels().any(|one| one == name);
        if is_in || standing.subscriptions.len() >= self.settings.channels {
            return None;
        }
        let names = Names::One(name.as_str());
        let may = match self.settings.permissions.judge(Verb::Join, names, &standing.identity()) {
            Verdict::Yes(_) => true,
            Verdict::Ask => permit == Permit::Granted,
            Verdict::No => false,
        };
        if !may {
            return None;
        }
        self.needs.as_mut()?.expect(name, now);
        self.tell_needs();
        let needs = self.needs.as_mut()?;
        let settling = needs.occupancy.unsettled(name);
        if settling.is_none() {
            needs.came(name);
        }
        settling
    }

    /// Somebody has waited for the sources of this channel.
    pub(super) fn settled(&mut self, name: &ChannelName) {
        if let Some(needs) = &mut self.needs {
            needs.came(name);
        }
    }
}
