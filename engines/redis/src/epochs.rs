//! Which places belong to which epoch, and so what is to be said to whoever reads.
//!
//! In: how the realm stands, and the place that somebody reads behind. Out: what comes next for it. It is pure: no
//! Redis.

use redis::Value;
use turted_core::dispatch::{DispatchId, Epoch};
use turted_core::ledger::{LedgerError, Page};

use crate::reply::{list, odd, text};
use crate::trouble::Trouble;

/// How the realm stands.
pub struct Epochs {
    current: Epoch,
    newest: u64,
    /// The oldest place that is kept.
    first: Option<u64>,
    /// Oldest first.
    closed: Vec<Closed>,
}

/// An epoch that is over.
struct Closed {
    epoch: Epoch,
    /// Its last place, and the one before the next epoch's first.
    last: u64,
    next: Epoch,
}

/// What comes next for whoever reads.
#[derive(Debug)]
pub enum Next {
    /// The entries behind its place without gaps, up to this place.
    Entries(u64),
    /// Something else.
    Page(Page),
    /// Nothing yet.
    Nothing,
}

impl Epochs {
    /// What a script says: epoch, newest place, oldest place or 0, closed epochs. Gives back what stands behind it.
    pub fn read(value: Value) -> Result<(Self, Option<Value>), Trouble> {
        let mut parts = list(value)?.into_iter();
        let mut part = || text(parts.next().ok_or_else(odd)?);
        let (current, newest, first, closed) = (part()?, part()?, part()?, part()?);
        let place = |text: String| text.parse::<u64>().map_err(|_| odd());
        let epochs = Self {
            current: Epoch::parse(&current).map_err(|_| odd())?,
            newest: place(newest)?,
            first: Some(place(first)?).filter(|first| *first > 0),
            closed: closed.split(' ').filter_map(Closed::read).collect(),
        };
        Ok((epochs, parts.next()))
    }

    /// The newest place.
    pub fn newest(&self) -> DispatchId {
        self.current.id(self.newest)
    }

    /// The place before the oldest that is kept.
    pub fn floor(&self) -> DispatchId {
        match self.first {
            Some(first) => self.before(first),
            None => self.newest(),
        }
    }

    /// The place before this one, in the epoch of this one.
    fn before(&self, place: u64) -> DispatchId {
        // The first that went as far as this has it.
        let of = self.closed.iter().find(|closed| place <= closed.last);
        let epoch = of.map_or(&self.current, |closed| &closed.epoch);
        epoch.id(place.saturating_sub(1))
    }

    /// What comes for whoever has read up to `after`, when the next that the stream has is at `found`.
    pub fn next(&self, after: &DispatchId, found: Option<u64>) -> Result<Next, LedgerError> {
        let closed = self.closed.iter().rfind(|closed| closed.epoch == after.epoch);
        let end = match closed {
            _ if after.epoch == self.current => match after.sequence <= self.newest {
                true => u64::MAX,
                // The place is one that was never given here.
                false => return Err(LedgerError::Turned),
            },
            Some(closed) if after.sequence >= closed.last => {
                let (closed, next) = (closed.last, closed.next.id(closed.last));
                return Ok(Next::Page(Page::Turned { closed, next }));
            }
            Some(closed) => closed.last,
            None => return Ok(Next::Page(Page::Unknown(self.floor()))),
        };
        Ok(match found {
            Some(place) if place == after.sequence + 1 && place <= end => Next::Entries(end),
            Some(place) if place <= end => Next::Page(Page::Trimmed(after.epoch.id(place - 1))),
            Some(place) => Next::Page(Page::Trimmed(self.before(place))),
            None if self.floor().sequence > after.sequence => Next::Page(Page::Trimmed(self.floor())),
            None => Next::Nothing,
        })
    }
}

impl Closed {
    /// `epoch:place:next`; nothing for anything else.
    fn read(record: &str) -> Option<Self> {
        let mut parts = record.split(':');
        let epoch = Epoch::parse(parts.next()?).ok()?;
        let last = parts.next()?.parse().ok()?;
        let next = Epoch::parse(parts.next()?).ok()?;
        Some(Self { epoch, last, next }).filter(|_| parts.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(first: u64) -> Epochs {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let told = [
            text("e3"),
            text("20"),
            text(&first.to_string()),
            text("e1:5:e2 nonsense e2:9:e3 a:b:c"),
        ];
        Epochs::read(Value::Array(told.to_vec())).expect("a state").0
    }

    fn next(epochs: &Epochs, epoch: &str, after: u64, found: Option<u64>) -> String {
        match epochs.next(&Epoch::new(epoch).id(after), found) {
            Ok(Next::Entries(u64::MAX)) => "all".to_owned(),
            Ok(Next::Entries(end)) => format!("up to {end}"),
            Ok(Next::Page(Page::Turned { closed, next })) => format!("{closed} {next}"),
            Ok(Next::Page(Page::Trimmed(floor))) => format!("trimmed {floor}"),
            Ok(Next::Page(Page::Unknown(floor))) => format!("unknown {floor}"),
            Ok(Next::Page(Page::Entries(_))) => unreachable!("it has no entries"),
            Ok(Next::Nothing) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_place_has_one_epoch() {
        let all = epochs(1);
        assert_eq!(all.floor().to_string(), "e1-0");
        for (epoch, after, found, expected) in [
            ("e1", 3, Some(4), "up to 5"),
            ("e1", 5, Some(6), "5 e2-5"),
            ("e1", 7, Some(8), "5 e2-5"),
            ("e1", 7, None, "5 e2-5"),
            ("e2", 5, Some(6), "up to 9"),
            ("e2", 9, None, "9 e3-9"),
            ("e3", 9, Some(10), "all"),
            ("e3", 20, None, "nothing"),
            ("e3", 12, Some(15), "trimmed e3-14"),
            ("e0", 3, Some(4), "unknown e1-0"),
            ("e3", 21, None, "the shared log may have lost something"),
        ] {
            assert_eq!(next(&all, epoch, after, found), expected, "{epoch}-{after}");
        }
        for (first, floor) in [
            (5, "e1-4"),
            (6, "e2-5"),
            (9, "e2-8"),
            (10, "e3-9"),
            (11, "e3-10"),
            (0, "e3-20"),
        ] {
            assert_eq!(epochs(first).floor().to_string(), floor);
        }
        assert_eq!(next(&epochs(8), "e1", 3, Some(8)), "trimmed e2-7");
        assert_eq!(next(&epochs(4), "e1", 2, Some(4)), "trimmed e1-3");
        assert_eq!(next(&epochs(0), "e3", 15, None), "trimmed e3-20");
    }
}
