//! Which channels have got their first member or lost their last.
//!
//! In: what happens to the members of a channel. Out: its name, for whoever looks at the end of a turn. It keeps
//! nothing before somebody wants to look.

use turted_core::ChannelName;

use super::Membership;

impl Membership {
    /// Notes from here on which channels get their first member and lose their last.
    pub fn watch(&mut self) {
        self.turned = Some(Vec::new());
    }

    /// The channels of which that has been noted since the last call, some perhaps more than once.
    pub fn turned(&mut self) -> Vec<ChannelName> {
        self.turned.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether somebody is in this channel.
    #[must_use]
    pub fn has_members(&self, channel: &ChannelName) -> bool {
        self.channels.contains_key(channel)
    }

    /// Notes it, where somebody looks.
    pub(super) fn has_turned(&mut self, it_has: bool, name: &ChannelName) {
        if let (true, Some(turned)) = (it_has, &mut self.turned) {
            turned.push(name.clone());
        }
    }
}
