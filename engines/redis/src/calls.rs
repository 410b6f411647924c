//! One call: a connection, a deadline, and what becomes of the connection afterwards.
//!
//! In: what is to be done on a connection. Out: its result, or the error of a ledger. A connection on which anything
//! went wrong is not used again.

use std::time::Duration;

use redis::Value;
use turted_core::ledger::LedgerError;

use crate::RedisLedger;
use crate::trouble::{Trouble, late};
use crate::wire::{Slot, Wire};

/// How long a call may take, with connecting.
pub const ANSWER: Duration = Duration::from_secs(3);

impl RedisLedger {
    /// Does something on a connection that others use meanwhile.
    pub async fn on<T, F>(&self, slot: &Slot, what: &str, act: impl FnOnce(Wire) -> F) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let mut used = None;
        let call = async {
            let wire = slot.get(&self.server).await?;
            used = Some(wire.clone());
            act(wire).await
        };
        let done = tokio::time::timeout(ANSWER, call).await;
        let done = done.unwrap_or_else(|_| Err(Trouble::away(late(what))));
        done.map_err(|trouble| {
            let is_sound = matches!(trouble, Trouble::Told(LedgerError::Hole | LedgerError::Buried));
            if let Some(wire) = used.filter(|_| !is_sound) {
                slot.lose(&wire);
            }
            trouble.told(&self.server, what)
        })
    }
}

/// What a script said, unless it said that it did nothing.
pub fn said(value: Value) -> Result<Value, Trouble> {
    let word = match &value {
        Value::BulkString(word) => word.as_slice(),
        Value::SimpleString(word) => word.as_bytes(),
        _ => return Ok(value),
    };
    match word {
        b"TURNED" => Err(LedgerError::Turned.into()),
        b"BURIED" => Err(LedgerError::Buried.into()),
        b"HOLE" => Err(LedgerError::Hole.into()),
        _ => Ok(value),
    }
}
