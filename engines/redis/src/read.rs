//! Reading: what came after a place.
//!
//! In: a place, and how long to wait. Out: a page. Entries that follow each other and say that they are of the epoch
//! are handed out as they come; for everything else, and each second that nothing comes, the realm is asked how it
//! stands, since whoever waits behind the end of a stream that was begun anew would wait for ever.

use std::sync::atomic::Ordering;
use std::time::Duration;

use log::warn;
use redis::cmd;
use tokio::time::{Instant, timeout};
use turted_core::dispatch::DispatchId;
use turted_core::ledger::{Entry, LedgerError, Page};

use crate::RedisLedger;
use crate::calls::{ANSWER, said};
use crate::epochs::{Epochs, Next};
use crate::form;
use crate::reply::{Raw, entries};
use crate::scripts::Script;
use crate::trouble::{Trouble, late};
use crate::wire::Wire;

/// Entries that are asked for at least, and at most.
pub const LEAST: usize = 64;
const MOST: usize = 1024;
/// Bytes that are asked for at once, about.
const BYTES: usize = 256 * 1024;
/// How long nothing may come until the realm is asked how it stands.
const LOOK: Duration = Duration::from_secs(1);
/// How much longer than it waits an answer may take.
const SPARE: Duration = Duration::from_secs(2);

const WHAT: &str = "a read";

impl RedisLedger {
    /// What came after this place.
    pub async fn wait_for(&self, after: &DispatchId, wait: Duration) -> Result<Page, LedgerError> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let page = self.glance(after, left.min(LOOK)).await;
            match page.map_err(|trouble| trouble.told(&self.server, WHAT))? {
                Some(page) => return Ok(page),
                None if Instant::now() >= until => return Ok(Page::Entries(Vec::new())),
                None => {}
            }
        }
    }

    /// One look, on a connection that nobody else uses meanwhile: it is given back only when all went well.
    async fn glance(&self, after: &DispatchId, wait: Duration) -> Result<Option<Page>, Trouble> {
        let before = self.reading.cleared();
        let mut wire = match self.reading.take() {
            Some(wire) => wire,
            None => {
                let connected = timeout(ANSWER, Wire::connect(&self.server)).await;
                connected.map_err(|_| Trouble::away(late(WHAT)))??
            }
        };
        let page = timeout(wait + SPARE, self.page(&mut wire, after, wait)).await;
        let page = page.map_err(|_| Trouble::away(late(WHAT)))??;
        self.reading.put(wire, before);
        Ok(page)
    }

    async fn page(&self, wire: &mut Wire, after: &DispatchId, wait: Duration) -> Result<Option<Page>, Trouble> {
        let count = self.pace.load(Ordering::Relaxed);
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(count);
        if !wait.is_zero() {
            // 0 would be for ever.
            command.arg("BLOCK").arg(wait.as_millis().max(1) as u64);
        }
        // Whatever else has this number is no place.
        let behind = format!("{}-{}", after.sequence, u64::MAX);
        command.arg("STREAMS").arg(&self.keys.log).arg(behind);
        let found = entries(wire.ask(&command).await?)?;
        self.adapt(count, &found);
        let is_plain = |raw: &&Raw| form::is_of(raw, &after.epoch);
        let plain = found.iter().take_while(is_plain);
        let page = self.dense(after, plain, u64::MAX);
        if !page.is_empty() {
            return Ok(Some(Page::Entries(page)));
        }
        let (keys, first) = ([&*self.keys.meta, &self.keys.log], found.first().map(|raw| raw.place));
        let (epochs, _) = Epochs::read(said(wire.run(Script::Look, &keys, &[]).await?)?)?;
        Ok(match epochs.next(after, first)? {
            Next::Entries(end) => Some(Page::Entries(self.dense(after, found.iter(), end))),
            Next::Page(page) => Some(page),
            Next::Nothing => None,
        })
    }

    /// Those that follow each other behind a place, up to another.
    fn dense<'a>(&self, after: &DispatchId, raws: impl Iterator<Item = &'a Raw>, end: u64) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for raw in raws {
            let newest = after.sequence + entries.len() as u64;
            if raw.place == newest && !entries.is_empty() {
                warn!(
                    "{}: something that has no place of its own is at {newest}",
                    self.server.place()
                );
                continue;
            }
            if raw.place != newest + 1 || raw.place > end {
                break;
            }
            let what = form::read(raw, &after.epoch, self.seal.as_ref(), &self.settings.limits);
            let sequence = raw.place;
            entries.push(Entry { sequence, what });
        }
        entries
    }

    /// How many to ask for next, by how large these are.
    fn adapt(&self, asked: usize, found: &[Raw]) {
        let Some(mean) = found.iter().map(Raw::size).sum::<usize>().checked_div(found.len()) else {
            return;
        };
        let fits = BYTES / mean.max(1);
        // Small ones are believed step by step, large ones at once.
        self.pace
            .store(fits.clamp(LEAST, MOST).min(2 * asked), Ordering::Relaxed);
    }
}
