//! Nothing is refused in silence.
//!
//! In: each refusal at any door: what was asked for, why not, from where, and a sentence for the operator. Out: a count
//! for each kind, and a line in the log, one a minute for each kind and network (CWE-779). It decides nothing, and is
//! never given a credential.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::dev::RequestHead;
use actix_web::{HttpRequest, web};
use log::warn;

use super::Shared;
use super::admission::network;
use super::proxies::origin;
use crate::observe::metrics::Refused as Counts;

/// Between two lines of one kind from one network.
const PAUSE: Duration = Duration::from_secs(60);
/// Kinds and networks that are told apart at a time.
const KNOWN: usize = 1024;
/// Characters of a header that are shown.
const SHOWN: usize = 200;

/// What was asked for, why it was refused, and from where.
type Kind = (&'static str, &'static str, Option<IpAddr>);

/// Counts and tells.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: Counts,
    told: Mutex<HashMap<Kind, Told>>,
}

/// When the last line of a kind was written, and how many there would have been since.
#[derive(Debug)]
struct Told {
    at: Instant,
    untold: u64,
}

impl Refusals {
    /// Counts there.
    #[must_use]
    pub fn new(counts: Counts) -> Self {
        let told = Mutex::default();
        Self { counts, told }
    }

    /// Notes a refusal; `tell` says what was compared and which key changes it.
    pub fn note(&self, what: &'static str, why: &'static str, from: Option<SocketAddr>, tell: impl FnOnce() -> String) {
        self.note_from(what, why, from.map(|address| address.ip()), tell);
    }

    fn note_from(&self, what: &'static str, why: &'static str, from: Option<IpAddr>, tell: impl FnOnce() -> String) {
        self.counts.count(what, why);
        let from = from.map(network);
        let Some(untold) = self.turn((what, why, from), Instant::now()) else {
            return;
        };
        let place = from.map_or_else(|| "somewhere".to_owned(), |network| network.to_string());
        let more = match untold {
            0 => String::new(),
            untold => format!(" ({untold} more like it since this was last told)"),
        };
        warn!("refused {what} ({why}) from {place}: {}{more}", tell());
    }

    /// How many lines were left out, if it is time for one.
    fn turn(&self, kind: Kind, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |told: &Told| now.saturating_duration_since(told.at) >= PAUSE;
        if let Some(told) = told.get_mut(&kind) {
            if !is_over(told) {
                told.untold += 1;
                return None;
            }
            told.at = now;
            return Some(std::mem::take(&mut told.untold));
        }
        if told.len() >= KNOWN {
            told.retain(|_, told| !is_over(told));
        }
        // So many at once are one attack: its lines say nothing new, and it is counted.
        if told.len() < KNOWN {
            told.insert(kind, Told { at: now, untold: 0 });
            return Some(0);
        }
        None
    }
}

impl turted_core::Refusals for Refusals {
    fn refused(&self, what: &'static str, why: &'static str, from: Option<IpAddr>, tell: &dyn Fn() -> String) {
        self.note_from(what, why, from, tell);
    }
}

/// As [`Refusals::note`], for a request.
pub fn note(request: &HttpRequest, what: &'static str, why: &'static str, tell: impl FnOnce() -> String) {
    if let Some(shared) = request.app_data::<web::Data<Shared>>() {
        shared.refusals.note_from(what, why, origin(request), tell);
    }
}

/// A header as it came, for the log: quoted, so that it cannot forge a line (CWE-117), and not longer than a line.
#[must_use]
pub fn quoted(text: Option<&str>) -> String {
    let text = text.map(|text| text.chars().take(SHOWN).collect::<String>());
    text.map_or_else(|| "(none)".to_owned(), |text| format!("{text:?}"))
}

/// [`quoted`] without what may be a credential: the part of a URL behind `?`.
#[must_use]
pub fn path(request: &RequestHead) -> String {
    quoted(Some(request.uri.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_once_a_minute_for_each_network_with_what_was_left_out() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let (one, two) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        assert_eq!(refusals.turn(("origin", "a", Some(one)), now), Some(0));
        assert_eq!(refusals.turn(("origin", "a", Some(one)), now), None);
        assert_eq!(refusals.turn(("origin", "a", Some(two)), now), Some(0));
        assert_eq!(refusals.turn(("origin", "b", Some(one)), now), Some(0));
        assert_eq!(refusals.turn(("origin", "a", Some(one)), now + PAUSE), Some(1));
        assert_eq!(refusals.turn(("origin", "a", Some(one)), now + 2 * PAUSE), Some(0));
    }

    #[test]
    fn many_networks_at_once_fill_neither_the_memory_nor_the_log() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let lines = (0..10_000_u32).filter(|number| {
            let from = IpAddr::from(number.to_be_bytes());
            refusals.turn(("origin", "a", Some(from)), now).is_some()
        });
        assert_eq!(lines.count(), KNOWN);
        assert_eq!(
            refusals.turn(("origin", "a", None), now + PAUSE),
            Some(0),
            "later there is room again"
        );
        assert_eq!(refusals.told.lock().unwrap().len(), 1);
    }

    #[test]
    fn what_a_peer_said_forges_no_line_and_fills_none() {
        assert_eq!(quoted(Some("a\n\u{1b}[31mERROR")), r#""a\n\u{1b}[31mERROR""#);
        assert_eq!(quoted(Some(&"x".repeat(10_000))).len(), SHOWN + 2);
        assert_eq!(quoted(None), "(none)");
    }
}
