//! What the configuration lets clients speak, and at which path.
//!
//! In: the configuration. Out: offers with their paths, and the bounds that hold for all of them.

use crate::carriers::{Bounds, Offer};
use crate::client::OutboxBounds;
use crate::client::outbox::WhenFull;
use crate::config::{Config, Problem, Slow};
use crate::dialects::kinds;

/// An offer, and where it is.
pub type Entrance = (String, Box<dyn Offer>);

/// The bounds of every client.
pub fn bounds(config: &Config) -> Bounds {
    let limits = &config.limits;
    Bounds {
        limits: config.limits.core(),
        bad_messages: limits.bad_messages,
        message_bytes: limits.message_bytes,
        ping: limits.ping,
        outbox: OutboxBounds {
            bytes: limits.outbox_bytes,
            frames: limits.outbox_frames,
        },
        when_full: match limits.slow {
            Slow::Close => WhenFull::Close,
            Slow::Drop => WhenFull::Drop,
        },
    }
}

/// Whoever leaves the rest to others is asked first, and whoever takes what nobody else wants comes last.
pub fn in_order(entrances: &mut [Entrance]) {
    entrances.sort_by_key(|(path, offer)| (path == "/", !offer.shares()));
}

/// What the configuration offers, each with its path.
///
/// # Errors
/// Every problem of its sections.
pub fn configured(config: &Config) -> Result<Vec<Entrance>, Vec<Problem>> {
    let (mut entrances, mut problems, bounds) = (Vec::new(), Vec::new(), bounds(config));
    for client in config.clients.values().filter(|client| client.section.is_enabled) {
        match kinds::build(client, &bounds) {
            Ok(offer) => entrances.extend(client.path.clone().map(|path| (path, offer))),
            Err(wrong) => problems.extend(wrong),
        }
    }
    in_order(&mut entrances);
    if problems.is_empty() {
        Ok(entrances)
    } else {
        Err(problems)
    }
}
