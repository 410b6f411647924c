//! Nodes: who is there, who stays, who goes; and the turn of an epoch.
//!
//! In: the name of this node. Out: how the realm stands. A node is in a register, and has a lease that it renews; the
//! register decides. Whoever finds that another's lease ran out, and did not come back for a while, takes it out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use log::{info, warn};
use redis::{Value, cmd};
use tokio::time::Instant;
use turted_core::dispatch::{DispatchId, Epoch};
use turted_core::ledger::{LedgerError, NodeId, Top, entry};

use crate::append::REMEMBERED;
use crate::calls::said;
use crate::epochs::Epochs;
use crate::reply::{list, text};
use crate::scripts::Script;
use crate::trouble::Trouble;
use crate::wire::Wire;
use crate::{RedisLedger, form, locked};

/// How long a node is believed to live without a word, in milliseconds.
const LEASE: &str = "10000";
/// How long a lease must have been missing: after the server was away, all are, and everybody may renew first.
const GRACE: Duration = Duration::from_secs(5);
/// Nodes that are told at most.
const NODES: &str = "256";
/// Closed epochs that are remembered.
const CLOSED: &str = "32";

impl RedisLedger {
    /// Registers this node.
    pub async fn enter(&self, me: &NodeId) -> Result<Top, LedgerError> {
        let entered = self.on(&self.control, "opening", async |mut wire| {
            self.keeps_everything(&mut wire).await?;
            let (epochs, nodes) = self.renewed(&mut wire, me, true).await?;
            Ok(top(&epochs, &nodes))
        });
        entered.await
    }

    /// Renews the lease of this node, and does what somebody must do now and then.
    pub async fn stay(&self, me: &NodeId) -> Result<Top, LedgerError> {
        let stayed = self.on(&self.control, "a renewal", async |mut wire| {
            let (epochs, mut nodes) = self.renewed(&mut wire, me, false).await?;
            let dead = self.without_lease(&mut wire, me, &nodes).await?;
            if !dead.is_empty() {
                let gone = self.bury(&mut wire, &dead, false).await?;
                nodes.retain(|node| !gone.contains(node));
                for node in &gone {
                    info!("{}: node {node:?} is gone", self.server.place());
                }
            }
            let old = locked(&self.ages).note(epochs.newest().sequence, Instant::now());
            if let Some(old) = old {
                let mut trim = cmd("XTRIM");
                trim.arg(&self.keys.log).arg("MINID").arg("~").arg(old + 1);
                wire.ask(&trim).await?;
            }
            Ok(top(&epochs, &nodes))
        });
        stayed.await
    }

    /// Takes this node out.
    pub async fn go(&self, me: &NodeId) -> Result<(), LedgerError> {
        let went = self.on(&self.control, "a farewell", async |mut wire| {
            self.bury(&mut wire, &[me.as_str().to_owned()], true).await
        });
        went.await.map(drop)
    }

    /// Closes the epoch and begins another, unless that was done.
    pub async fn close(&self, next: &Epoch, known: &DispatchId) -> Result<(), LedgerError> {
        let turned = self.on(&self.control, "a turn", async |mut wire| {
            let (place, count, form) = (
                known.sequence.to_string(),
                self.settings.count.to_string(),
                entry::FORM.to_string(),
            );
            let seal = self
                .seal
                .as_ref()
                .map(|seal| seal.of(form::beginning(next).as_bytes(), b""));
            let seal = seal.unwrap_or_default();
            let words = [
                next.as_str(),
                known.epoch.as_str(),
                &place,
                &count,
                CLOSED,
                &form,
                &seal,
            ];
            let words = words.map(str::as_bytes);
            let keys = [&*self.keys.meta, &self.keys.log];
            text(wire.run(Script::Turn, &keys, &words).await?)
        });
        if turned.await? == "DONE" {
            info!("{}: epoch {} begins", self.server.place(), next.as_str());
        }
        Ok(())
    }

    async fn renewed(&self, wire: &mut Wire, me: &NodeId, enters: bool) -> Result<(Epochs, Vec<String>), Trouble> {
        let (lease, form) = (self.keys.lease(me.as_str()), entry::FORM.to_string());
        let keys = [&*self.keys.meta, &self.keys.log, &self.keys.nodes, &lease];
        let words = [me.as_str(), LEASE, if enters { "1" } else { "0" }, &form, NODES];
        let told = said(wire.run(Script::Renew, &keys, &words.map(str::as_bytes)).await?)?;
        let (epochs, nodes) = Epochs::read(told)?;
        let nodes = list(nodes.unwrap_or(Value::Array(Vec::new())))?;
        Ok((epochs, nodes.into_iter().filter_map(|node| text(node).ok()).collect()))
    }

    /// Those whose lease has been missing for a while.
    async fn without_lease(&self, wire: &mut Wire, me: &NodeId, nodes: &[String]) -> Result<Vec<String>, Trouble> {
        let others: Vec<&String> = nodes.iter().filter(|node| *node != me.as_str()).collect();
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let leases: Vec<String> = others.iter().map(|node| self.keys.lease(node)).collect();
        let counts = wire.count(&leases).await?;
        let absent = others.into_iter().zip(counts).filter(|(_, count)| *count == 0);
        let mut absent: Vec<String> = absent.map(|(node, _)| node.clone()).collect();
        let (now, mut missing) = (Instant::now(), locked(&self.missing));
        missing.retain(|node, _| absent.contains(node));
        absent.retain(|node| {
            let since = missing.entry(node.clone()).or_insert(now);
            now.duration_since(*since) >= GRACE
        });
        Ok(absent)
    }

    async fn bury(&self, wire: &mut Wire, nodes: &[String], goes: bool) -> Result<Vec<String>, Trouble> {
        let of = nodes
            .iter()
            .flat_map(|node| [self.keys.lease(node), self.keys.tickets(node)]);
        let of: Vec<String> = of.collect();
        let keys: Vec<&str> = [&self.keys.meta, &self.keys.log, &self.keys.nodes]
            .into_iter()
            .chain(&of)
            .map(String::as_str)
            .collect();
        let words = [REMEMBERED, if goes { "1" } else { "0" }];
        let words: Vec<&[u8]> = words
            .into_iter()
            .chain(nodes.iter().map(String::as_str))
            .map(str::as_bytes)
            .collect();
        let gone = list(wire.run(Script::Bury, &keys, &words).await?)?;
        gone.into_iter().map(text).collect()
    }

    /// A server that throws away whatever it likes cannot keep an order.
    async fn keeps_everything(&self, wire: &mut Wire) -> Result<(), Trouble> {
        let mut policy = cmd("CONFIG");
        policy.arg("GET").arg("maxmemory-policy");
        let Ok(Ok(told)) = wire.ask(&policy).await.map(list) else {
            if !self.is_told.swap(true, Ordering::Relaxed) {
                warn!(
                    "{} does not say what it evicts (CONFIG GET): its maxmemory-policy must not be one of allkeys-…",
                    self.server.place()
                );
            }
            return Ok(());
        };
        let policy = told.into_iter().nth(1).map(text).transpose()?.unwrap_or_default();
        match policy.starts_with("allkeys-") {
            true => Err(Trouble::fatal(format!(
                "may evict the shared log (maxmemory-policy {policy}): set it to noeviction or volatile-ttl"
            ))),
            false => Ok(()),
        }
    }
}

fn top(epochs: &Epochs, nodes: &[String]) -> Top {
    let mut nodes: Vec<NodeId> = nodes.iter().filter_map(|node| NodeId::parse(node).ok()).collect();
    nodes.sort();
    Top {
        newest: epochs.newest(),
        floor: epochs.floor(),
        nodes,
    }
}
