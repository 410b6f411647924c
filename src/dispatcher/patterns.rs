//! Who hears channels by pattern.
//!
//! In: patterns gained and lost. Out: for the name of a channel, everybody who has a pattern that matches it. A pattern
//! is found by what it begins with, so that the number of patterns does not matter, only how many lengths they have.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexSet;
use turted_core::may::RESERVED;
use turted_core::{ChannelPattern, Depth};

/// Who sits where, as far as they have patterns.
#[derive(Debug, Default)]
pub struct Patterns {
    /// By what they begin with.
    below: HashMap<Box<str>, Below>,
    /// How many of those there are of each length in bytes.
    lengths: BTreeMap<usize, usize>,
}

/// Everybody whose patterns begin alike.
#[derive(Debug, Default)]
struct Below {
    part: IndexSet<u32>,
    all: IndexSet<u32>,
}

impl Below {
    fn of(&mut self, depth: Depth) -> &mut IndexSet<u32> {
        match depth {
            Depth::Part => &mut self.part,
            Depth::All => &mut self.all,
        }
    }
}

impl Patterns {
    /// Adds one. True when it was not there before.
    pub fn insert(&mut self, pattern: &ChannelPattern, index: u32) -> bool {
        let prefix = pattern.prefix();
        if !self.below.contains_key(prefix) {
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        let below = self.below.entry(prefix.into()).or_default();
        below.of(pattern.depth()).insert(index)
    }

    /// Takes one away.
    pub fn remove(&mut self, pattern: &ChannelPattern, index: u32) {
        let prefix = pattern.prefix();
        let Some(below) = self.below.get_mut(prefix) else {
            return;
        };
        below.of(pattern.depth()).swap_remove(&index);
        if !(below.part.is_empty() && below.all.is_empty()) {
            return;
        }
        self.below.remove(prefix);
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    /// Those who hear a channel of this name. Somebody with several patterns comes several times.
    pub fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a IndexSet<u32>> {
        // Nobody hears the server's own channels by pattern, see `ChannelPattern`.
        let most = if name.starts_with(RESERVED) { 0 } else { name.len() };
        let lengths = self.lengths.range(..most).map(|(length, _)| *length);
        let found = lengths.filter_map(|length| {
            let (prefix, rest) = name.split_at_checked(length)?;
            Some((self.below.get(prefix)?, rest))
        });
        found.flat_map(|(below, rest)| {
            let part = Some(&below.part).filter(|_| Depth::Part.reaches(rest));
            part.into_iter().chain([&below.all])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};
    use turted_core::Limits;

    fn pattern(prefix: &str, depth: Depth) -> ChannelPattern {
        ChannelPattern::below(prefix, depth, &Limits::default()).unwrap()
    }

    fn heard(patterns: &Patterns, name: &str) -> Vec<u32> {
        let mut heard: Vec<u32> = patterns.matching(name).flatten().copied().collect();
        heard.sort_unstable();
        heard
    }

    #[test]
    fn whoever_has_a_pattern_hears_what_is_below() {
        let mut patterns = Patterns::default();
        for (index, (prefix, depth)) in [
            ("", Depth::All),
            ("", Depth::Part),
            ("foo/", Depth::Part),
            ("foo/", Depth::All),
            ("foo/\u{e9}/", Depth::Part),
            ("bar/", Depth::All),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(patterns.insert(&pattern(prefix, depth), index.try_into().unwrap()));
        }
        assert!(!patterns.insert(&pattern("bar/", Depth::All), 5), "it was there");
        for (name, expected) in [
            ("a", vec![0, 1]),
            ("foo/a", vec![0, 2, 3]),
            ("foo/a/b", vec![0, 3]),
            ("foo/\u{e9}/b", vec![0, 3, 4]),
            ("foo", vec![0, 1]),
            ("foo/", vec![0]),
            // Cut in the middle of a letter by the length of another pattern.
            ("foo\u{e9}\u{e9}", vec![0, 1]),
            ("turted:a", vec![]),
        ] {
            assert_eq!(heard(&patterns, name), expected, "{name}");
            for (index, one) in [("", Depth::All), ("foo/", Depth::Part)]
                .into_iter()
                .zip([0, 2])
                .map(|(a, b)| (b, a))
            {
                let matches = pattern(one.0, one.1).matches(name);
                assert_eq!(matches, expected.contains(&index), "as the pattern itself says: {name}");
            }
        }
    }

    #[test]
    fn nothing_is_left_of_a_pattern_that_nobody_has() {
        let mut patterns = Patterns::default();
        let (part, all) = (pattern("a/", Depth::Part), pattern("a/", Depth::All));
        patterns.insert(&part, 1);
        patterns.insert(&all, 1);
        patterns.insert(&all, 2);
        patterns.insert(&pattern("b/", Depth::All), 3);
        patterns.remove(&all, 1);
        assert_eq!(heard(&patterns, "a/x"), [1, 2]);
        patterns.remove(&part, 1);
        patterns.remove(&part, 1);
        assert_eq!(heard(&patterns, "a/x"), [2]);
        patterns.remove(&all, 2);
        patterns.remove(&all, 2);
        assert_eq!(heard(&patterns, "a/x"), [] as [u32; 0]);
        assert_eq!(heard(&patterns, "b/x"), [3]);
        patterns.remove(&pattern("b/", Depth::All), 3);
        assert!(patterns.below.is_empty() && patterns.lengths.is_empty());
    }

    /// 10,000 patterns, of every length there can be: each dispatch takes less than a millisecond, and far less here.
    #[test]
    fn ten_thousand_patterns_cost_a_dispatch_less_than_a_millisecond() {
        let mut patterns = Patterns::default();
        for index in 0..10_000_u32 {
            let length = usize::try_from(index % 190).unwrap();
            let prefix = format!("{}{index}/", "a".repeat(length));
            patterns.insert(&pattern(&prefix, Depth::All), index);
        }
        let name = "a".repeat(200);
        let took = (0..20).map(|_| {
            let begun = Instant::now();
            assert_eq!(patterns.matching(&name).count(), 0);
            begun.elapsed()
        });
        // The fastest: others may have the processor meanwhile.
        assert!(took.min().unwrap() < Duration::from_millis(1));
    }
}
