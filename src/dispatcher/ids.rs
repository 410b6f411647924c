//! Which id stands for which place, over all epochs.
//!
//! In: the epochs of a log, as they begin. Out: the id of a place, as clients and backends see it; and the place that a
//! client means by an id. Inside, places are numbers without gaps; it does not know what is there.

use std::collections::VecDeque;

use turted_core::{DispatchId, Epoch};

/// Epochs that are kept in mind. A client that comes with an id of an older one has missed something for sure.
const EPOCHS: usize = 32;

/// Ids of places. There is always one epoch.
#[derive(Debug)]
pub struct Ids {
    /// The oldest first.
    earlier: VecDeque<Begun>,
    current: Begun,
}

/// An epoch: the place before its first, and the number of that.
#[derive(Debug)]
struct Begun {
    epoch: Epoch,
    place: u64,
    sequence: u64,
    /// Whether something is missing before it: then that place is of this epoch, and nothing is there.
    is_gap: bool,
}

impl Ids {
    /// From the first place on, with the number of the place.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self {
            earlier: VecDeque::new(),
            current: Begun {
                epoch,
                place: 0,
                sequence: 0,
                is_gap: false,
            },
        }
    }

    /// The places after this one have ids after that.
    pub fn begin(&mut self, place: u64, after: DispatchId) {
        self.enter(place, after, false);
    }

    /// The same, where something is missing that should be at this place.
    pub fn interrupt(&mut self, place: u64, after: DispatchId) {
        self.enter(place, after, true);
    }

    fn enter(&mut self, place: u64, after: DispatchId, is_gap: bool) {
        let DispatchId { epoch, sequence } = after;
        let current = Begun {
            epoch,
            place,
            sequence,
            is_gap,
        };
        self.earlier.push_back(std::mem::replace(&mut self.current, current));
        if self.earlier.len() >= EPOCHS {
            self.earlier.pop_front();
        }
    }

    /// The id of a place.
    #[must_use]
    pub fn id(&self, place: u64) -> DispatchId {
        let later = std::iter::once(&self.current).chain(self.earlier.iter().rev());
        let own = later
            .clone()
            .find(|begun| begun.place + u64::from(!begun.is_gap) <= place);
        // The place before all of them has the number before the first.
        let Begun {
            epoch,
            place: before,
            sequence,
            ..
        } = own.or(later.last()).unwrap_or(&self.current);
        epoch.id(sequence + place.saturating_sub(*before))
    }

    /// The place of an id; `None` when it is of no epoch that is kept in mind. What came after the end of an epoch was
    /// not seen here: then it is the end.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<u64> {
        let of = |begun: &Begun| {
            let above = begun.epoch.sequence_of(id)?.checked_sub(begun.sequence)?;
            begun.place.checked_add(above)
        };
        if let Some(place) = of(&self.current) {
            return Some(place);
        }
        let ends = self.earlier.iter().skip(1).chain([&self.current]);
        let mut ended = self.earlier.iter().zip(ends);
        ended.find_map(|(begun, next)| Some(of(begun)?.min(next.place - u64::from(next.is_gap))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ids: &Ids, place: u64) -> String {
        ids.id(place).to_string()
    }

    #[test]
    fn in_one_epoch_a_place_is_its_number() {
        let ids = Ids::new(Epoch::new("a"));
        assert_eq!((text(&ids, 0), text(&ids, 42)), ("a-0".to_owned(), "a-42".to_owned()));
        for (id, place) in [
            ("a-0", Some(0)),
            ("a-42", Some(42)),
            ("b-42", None),
            ("a-", None),
            ("", None),
        ] {
            assert_eq!(ids.place(id), place, "{id}");
        }
        assert_eq!(ids.place(&format!("a-{}", u64::MAX)), Some(u64::MAX));
    }

    #[test]
    fn each_epoch_has_ids_of_its_own() {
        let mut ids = Ids::new(Epoch::new("a"));
        // Seventeen were seen here, of which the log had only fifteen when the next epoch began.
        ids.begin(17, Epoch::new("b").id(15));
        assert_eq!((text(&ids, 17), text(&ids, 18)), ("a-17".to_owned(), "b-16".to_owned()));
        for (id, place) in [
            ("a-17", Some(17)),
            ("a-18", Some(17)),
            ("b-15", Some(17)),
            ("b-16", Some(18)),
            ("b-14", None),
        ] {
            assert_eq!(ids.place(id), place, "{id}");
        }
        ids.begin(20, Epoch::new("c").id(18));
        assert_eq!((text(&ids, 20), text(&ids, 21)), ("b-18".to_owned(), "c-19".to_owned()));
        assert_eq!((ids.place("a-30"), ids.place("b-30")), (Some(17), Some(20)));
        assert_eq!(ids.place("c-30"), Some(32), "not yet");
        for place in 1..30 {
            assert_eq!(ids.place(&text(&ids, place)), Some(place));
        }
    }

    #[test]
    fn where_something_is_missing_nobody_goes_on_from_before() {
        let mut ids = Ids::new(Epoch::new("a"));
        ids.interrupt(18, Epoch::new("b").id(30));
        assert_eq!((text(&ids, 18), text(&ids, 19)), ("b-30".to_owned(), "b-31".to_owned()));
        for (id, place) in [("a-17", 17), ("a-25", 17), ("b-30", 18), ("b-31", 19)] {
            assert_eq!(ids.place(id), Some(place), "{id}");
        }
    }

    #[test]
    fn what_is_long_over_is_forgotten() {
        let mut ids = Ids::new(Epoch::new("e0"));
        for number in 1..100 {
            ids.begin(number, Epoch::new(&format!("e{number}")).id(number));
        }
        assert_eq!(ids.earlier.len(), EPOCHS - 1);
        assert_eq!((ids.place("e67-68"), ids.place("e68-68")), (None, Some(68)));
    }
}
