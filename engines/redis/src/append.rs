//! A batch on its way into the stream.
//!
//! In: submissions with their tickets. Out: a call of the script that gives places, and for each what it said. The
//! script does all or nothing, so a batch may be sent as often as it takes.

use std::borrow::Cow;
use std::time::Duration;

use redis::{Value, cmd};
use turted_core::dispatch::{DispatchId, Epoch};
use turted_core::ledger::{LedgerError, NodeId, Origin, Submission, entry};

use crate::RedisLedger;
use crate::calls::said;
use crate::reply::{list, number, odd, text};
use crate::scripts::Script;
use crate::trouble::Trouble;

/// How long what happened once is remembered under its key, in seconds.
pub const REMEMBERED: &str = "300";

/// How long a replica may take to confirm.
const CONFIRMED: Duration = Duration::from_secs(2);

/// The words of one call.
struct Batch<'a> {
    keys: Vec<String>,
    words: Vec<Cow<'a, [u8]>>,
}

impl RedisLedger {
    /// Gives a batch its places.
    pub async fn write(
        &self,
        me: &NodeId,
        epoch: &Epoch,
        batch: &[Submission],
    ) -> Result<Vec<Option<DispatchId>>, LedgerError> {
        let Some(first) = batch.first() else {
            return Ok(Vec::new());
        };
        if batch.windows(2).any(|pair| pair[0].ticket + 1 != pair[1].ticket) {
            return Err(LedgerError::Hole);
        }
        let Batch { keys, words } = self.batch(me, epoch, batch);
        let (ticket, count, form) = (
            first.ticket.to_string(),
            self.settings.count.to_string(),
            entry::FORM.to_string(),
        );
        let head = [epoch.as_str(), me.as_str(), &ticket, &count, REMEMBERED, &form];
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let words: Vec<&[u8]> = head
            .iter()
            .map(|word| word.as_bytes())
            .chain(words.iter().map(|word| &**word))
            .collect();
        let answers = self.on(&self.batches, "an append", async |mut wire| {
            let answers = said(wire.run(Script::Append, &keys, &words).await?)?;
            if self.settings.durable {
                let mut wait = cmd("WAIT");
                wait.arg(1).arg(CONFIRMED.as_millis() as u64);
                if number(&wire.ask(&wait).await?)? < 1 {
                    return Err(Trouble::away("has no replica that confirms what was written (durable)"));
                }
            }
            list(answers)?.into_iter().map(answer).collect()
        });
        let answers: Vec<Option<DispatchId>> = answers.await?;
        match answers.len() == batch.len() {
            true => Ok(answers),
            false => Err(odd().told(&self.server, "an append")),
        }
    }

    fn batch<'a>(&self, me: &NodeId, epoch: &Epoch, batch: &'a [Submission]) -> Batch<'a> {
        let mut keys = vec![self.keys.meta.clone(), self.keys.log.clone(), self.keys.nodes.clone()];
        let mut words = Vec::with_capacity(6 * batch.len());
        for one in batch {
            let origin = one.origin.clone().unwrap_or_else(|| Origin {
                node: me.clone(),
                epoch: epoch.clone(),
                ticket: one.ticket,
            });
            let header = entry::write(&origin, &one.dispatch);
            let payload = one.dispatch.payload.as_bytes();
            let seal = self
                .seal
                .as_ref()
                .map(|seal| seal.of(&header, payload))
                .unwrap_or_default();
            words.push(header.to_vec().into());
            let mut place = |added: &mut dyn Iterator<Item = String>| {
                let before = keys.len();
                keys.extend(added);
                // Keys are counted from 1; 0 is none.
                let number = if keys.len() > before { before + 1 } else { 0 };
                number.to_string().into_bytes()
            };
            let key = place(&mut one.dispatch.key.iter().map(|key| self.keys.key(key)));
            let again = place(&mut one.origin.iter().flat_map(|origin| self.keys.again(origin)));
            let Origin { node, epoch, ticket } = &origin;
            let origin = format!("{node} {} {ticket}", epoch.as_str());
            words.push(payload.into());
            words.extend([seal.into_bytes(), key, again, origin.into_bytes()].map(Cow::from));
        }
        Batch { keys, words }
    }
}

/// `epoch place`, or nothing.
fn answer(value: Value) -> Result<Option<DispatchId>, Trouble> {
    let text = text(value)?;
    let Some((epoch, place)) = text.split_once(' ') else {
        return Ok(None);
    };
    let epoch = Epoch::parse(epoch).map_err(|_| odd())?;
    Ok(Some(epoch.id(place.parse().map_err(|_| odd())?)))
}
