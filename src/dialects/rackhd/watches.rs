//! What one client watches, and how often.
//!
//! In: watches and stops, each with its params. Out: which channel to join or to leave, and how often an event is
//! heard. A watch is the same as another when it has the same channel and equal params, however they are written; one
//! stop ends all that are the same.

use std::collections::BTreeMap;

use serde_json::Value;
use turted_core::ChannelName;

/// Watches of one client. Each event comes once for each of them (CWE-770).
pub const MOST: usize = 256;
/// Longest params of a watch, in bytes of JSON.
pub const PARAMS: usize = 1024;

/// All watches of one client.
#[derive(Debug, Default)]
pub struct Watches {
    channels: BTreeMap<ChannelName, Watched>,
    count: usize,
    joins: u64,
}

#[derive(Debug)]
struct Watched {
    resource: String,
    /// The number of the wish to join it.
    join: u64,
    params: Vec<(Value, usize)>,
}

impl Watched {
    fn count(&self) -> usize {
        self.params.iter().map(|(_, count)| count).sum()
    }
}

/// There are too many.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl Watches {
    /// One more. Gives the number of the wish to join the channel, when nothing of it was watched.
    pub fn add(&mut self, resource: &str, channel: &ChannelName, params: Value) -> Result<Option<u64>, TooMany> {
        if self.count >= MOST {
            return Err(TooMany);
        }
        self.count += 1;
        if let Some(watched) = self.channels.get_mut(channel) {
            match watched.params.iter_mut().find(|(known, _)| *known == params) {
                Some((_, count)) => *count += 1,
                None => watched.params.push((params, 1)),
            }
            return Ok(None);
        }
        self.joins += 1;
        let watched = Watched {
            resource: resource.to_owned(),
            join: self.joins,
            params: vec![(params, 1)],
        };
        self.channels.insert(channel.clone(), watched);
        Ok(Some(self.joins))
    }

    /// All that are the same are no more. True when nothing of the channel is watched any longer.
    pub fn stop(&mut self, channel: &ChannelName, params: &Value) -> bool {
        let Some(watched) = self.channels.get_mut(channel) else {
            return false;
        };
        let before = watched.count();
        watched.params.retain(|(known, _)| known != params);
        let after = watched.count();
        self.count -= before - after;
        if after == 0 {
            self.channels.remove(channel);
        }
        after == 0
    }

    /// The wish with this number is not granted. Gives the resource, if it was still wanted.
    pub fn refused(&mut self, join: u64) -> Option<String> {
        let (channel, _) = self.channels.iter().find(|(_, watched)| watched.join == join)?;
        let channel = channel.clone();
        self.lost(&channel)
    }

    /// The client is in this channel no more. Gives the resource, if it watched it.
    pub fn lost(&mut self, channel: &ChannelName) -> Option<String> {
        let watched = self.channels.remove(channel)?;
        self.count -= watched.count();
        Some(watched.resource)
    }

    /// Whether something is watched more than once.
    pub fn has_doubles(&self) -> bool {
        self.count > self.channels.len()
    }

    /// How often the channel of this name is watched; `None` when it is not.
    pub fn times(&self, channel: &str) -> Option<usize> {
        let mut all = self.channels.iter();
        let (_, watched) = all.find(|(name, _)| name.as_str() == channel)?;
        Some(watched.count())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turted_core::Limits;

    use super::*;

    fn channel(name: &str) -> ChannelName {
        ChannelName::parse(name, &Limits::default()).unwrap()
    }

    #[test]
    fn the_same_is_counted_and_one_stop_ends_all_of_it() {
        let mut watches = Watches::default();
        let nodes = channel("nodes");
        assert_eq!(watches.add("nodes", &nodes, json!({})), Ok(Some(1)));
        assert!(!watches.has_doubles());
        assert_eq!(watches.add("nodes", &nodes, json!({})), Ok(None));
        assert_eq!(watches.add("nodes", &nodes, json!({"a": 1, "b": 2})), Ok(None));
        assert_eq!(
            (watches.times("nodes"), watches.times("skus"), watches.has_doubles()),
            (Some(3), None, true)
        );
        assert!(!watches.stop(&nodes, &json!({"a": 2})), "other params");
        assert!(!watches.stop(&nodes, &json!({})));
        assert_eq!((watches.times("nodes"), watches.has_doubles()), (Some(1), false));
        let written: Value = serde_json::from_str(r#"{"b":2,"a":1}"#).unwrap();
        assert!(watches.stop(&nodes, &written), "however it is written");
        assert!(!watches.stop(&nodes, &written));
        assert_eq!(watches.add("nodes", &nodes, json!({})), Ok(Some(2)));
    }

    #[test]
    fn a_refusal_is_for_the_wish_that_it_answers() {
        let mut watches = Watches::default();
        let nodes = channel("nodes");
        assert_eq!(watches.add("nodes", &nodes, json!({})), Ok(Some(1)));
        assert!(watches.stop(&nodes, &json!({})));
        assert_eq!(watches.add("nodes", &nodes, json!({})), Ok(Some(2)));
        assert_eq!(watches.refused(1), None);
        assert_eq!(watches.refused(2), Some("nodes".to_owned()));
        assert_eq!(watches.lost(&nodes), None);
    }

    #[test]
    fn there_are_only_so_many_and_each_that_ends_makes_room() {
        let mut watches = Watches::default();
        let nodes = channel("nodes");
        for _ in 0..MOST {
            assert!(watches.add("nodes", &nodes, json!({})).is_ok());
        }
        assert_eq!(watches.add("skus", &channel("skus"), json!({})), Err(TooMany));
        assert!(watches.stop(&nodes, &json!({})));
        assert_eq!(watches.add("skus", &channel("skus"), json!({})), Ok(Some(2)));
        assert_eq!(watches.lost(&channel("skus")), Some("skus".to_owned()));
        assert_eq!(watches.count, 0);
    }
}
