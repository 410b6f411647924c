//! The numbers of a node among others.
//!
//! In: how the node stands with the shared log. Out: lines for Prometheus. It counts nothing itself.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::LinkState;

/// Appends the numbers as text.
pub fn render(text: &mut String, state: &LinkState) {
    let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
    let applied = read(&state.applied);
    // Told every few seconds: a node may have read further.
    let top = read(&state.top).max(applied);
    let away = u64::from(state.is_away());
    for (name, kind, help, value) in [
        ("away", "gauge", "1 while the shared log is not reached", away),
        (
            "nodes",
            "gauge",
            "Nodes that share the order, with this one",
            state.nodes().len() as u64,
        ),
        ("top", "gauge", "The newest place in the shared log, as last told", top),
        ("applied", "gauge", "The newest place that this node has read", applied),
        (
            "lag",
            "gauge",
            "Places that this node has not read yet, as last told",
            top - applied,
        ),
        (
            "unreadable",
            "counter",
            "Places that this node could not read",
            read(&state.unreadable),
        ),
        (
            "turns",
            "counter",
            "Epochs that ended while this node was there",
            read(&state.turns),
        ),
        (
            "salvaged",
            "counter",
            "Dispatches that this node wrote down again",
            read(&state.salvaged),
        ),
        (
            "behind",
            "counter",
            "How often the log had trimmed what this node had not read",
            read(&state.lost),
        ),
    ] {
        let suffix = if kind == "counter" { "_total" } else { "" };
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "# HELP turted_cluster_{name} {help}.\n# TYPE turted_cluster_{name} {kind}\nturted_cluster_{name}{suffix} {value}"
        );
    }
}
