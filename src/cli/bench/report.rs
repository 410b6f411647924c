//! The result of a run, for people and for programs.
//!
//! In: the figures of a finished run. Out: an aligned block of text, or one JSON object. It measures nothing.

use std::{
    fmt::{Display, Formatter, Result},
    time::Duration,
};

use serde_json::{Value, json};

/// The figures of one run.
#[derive(Debug)]
pub struct Report {
    /// Which kind of server, `turted`, `nchan` or `socketio`.
    pub peer: &'static str,
    /// Base URL of the server.
    pub url: String,
    /// Subscribers that joined.
    pub subscribers: usize,
    /// How long it took them all to join.
    pub joining: Duration,
    /// How the publishes were paced, in words.
    pub pace: String,
    /// Payload size in bytes.
    pub payload: usize,
    /// Publishes asked for in the measured phase.
    pub wanted: usize,
    /// Publishes pushed in the measured phase.
    pub publishes: usize,
    /// Deliveries of the measured phase.
    pub deliveries: u64,
    /// Length of the measured phase, first push to last delivery.
    pub took: Duration,
    /// Latency at p50, p99 and the maximum, push sent to message received, in nanoseconds.
    pub latency: [u64; 3],
    /// Deliveries missing, warm-up included.
    pub lost: u64,
    /// Deliveries that came twice, warm-up included.
    pub doubled: u64,
    /// Deliveries out of the common order, warm-up included.
    pub misordered: u64,
    /// Subscribers the server disconnected, and why the first.
    pub disconnected: (usize, Option<String>),
    /// What the server spent, when `--pid` named it.
    pub cost: Option<Cost>,
}

/// What the server spent.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// CPU nanoseconds in the measured phase.
    pub cpu: u64,
    /// Memory in bytes before anybody connected.
    pub memory_before: u64,
    /// Memory in bytes with all subscribers joined and idle.
    pub memory_after: u64,
    /// Processes summed.
    pub processes: usize,
}

impl Report {
    /// What makes this run a failure, if anything does.
    pub fn failure(&self) -> Option<String> {
        let stopped = (self.publishes < self.wanted)
            .then(|| format!("stopped after {} of {} publishes", self.publishes, self.wanted));
        let lost = (self.lost > 0).then(|| format!("deliveries lost: {}", grouped(self.lost)));
        let doubled = (self.doubled > 0).then(|| format!("doubled: {}", grouped(self.doubled)));
        let faults: Vec<String> = [lost, doubled, stopped].into_iter().flatten().collect();
        (!faults.is_empty()).then(|| faults.join(", "))
    }

    /// The machine-readable form; times in the unit their name says, memory in bytes.
    pub fn json(&self) -> Value {
        let [p50, p99, max] = self.latency.map(|nanos| nanos as f64 / 1e6);
        json!({
            "peer": self.peer,
            "url": self.url,
            "subscribers": self.subscribers,
            "joining_seconds": self.joining.as_secs_f64(),
            "pace": self.pace,
            "payload_bytes": self.payload,
            "publishes": self.publishes,
            "deliveries": self.deliveries,
            "seconds": self.took.as_secs_f64(),
            "deliveries_per_second": self.rate(),
            "latency_ms": {"p50": p50, "p99": p99, "max": max},
            "lost": self.lost,
            "doubled": self.doubled,
            "misordered": self.misordered,
            "disconnected": self.disconnected.0,
            "disconnect_reason": self.disconnected.1,
            "server": self.cost.map(|cost| json!({
                "cpu_us_per_delivery": self.cpu_per_delivery(cost),
                "memory_per_connection": self.memory_per_connection(cost),
                "memory_before": cost.memory_before,
                "memory_after": cost.memory_after,
                "processes": cost.processes,
            })),
        })
    }

    fn rate(&self) -> f64 {
        self.deliveries as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }

    fn cpu_per_delivery(&self, cost: Cost) -> f64 {
        cost.cpu as f64 / 1e3 / self.deliveries.max(1) as f64
    }

    fn memory_per_connection(&self, cost: Cost) -> f64 {
        (cost.memory_after as f64 - cost.memory_before as f64) / self.subscribers.max(1) as f64
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let [p50, p99, max] = self.latency.map(readable_time);
        writeln!(f, "{} at {}", self.peer, self.url)?;
        row(
            f,
            "subscribers",
            self.subscribers as u64,
            &format!("joined in {:.2} s", self.joining.as_secs_f64()),
        )?;
        row(
            f,
            "publishes",
            self.publishes as u64,
            &format!("of {} bytes, {}", self.payload, self.pace),
        )?;
        row(
            f,
            "deliveries",
            self.deliveries,
            &format!(
                "in {:.2} s = {} per second",
                self.took.as_secs_f64(),
                grouped(self.rate() as u64)
            ),
        )?;
        row(f, "lost", self.lost, "")?;
        row(f, "doubled", self.doubled, "")?;
        row(f, "out of order", self.misordered, "")?;
        if let (count @ 1.., Some(reason)) = &self.disconnected {
            row(f, "disconnected", *count as u64, &format!("first: {reason}"))?;
        }
        write!(f, "  {:<14}p50 {p50}   p99 {p99}   max {max}", "latency")?;
        let Some(cost) = self.cost else {
            return Ok(());
        };
        write!(
            f,
            "\n  {:<14}{:.2} µs per delivery ({} process{})\n  {:<14}{:.1} KiB per connection ({:.1} → {:.1} MiB)",
            "server CPU",
            self.cpu_per_delivery(cost),
            cost.processes,
            if cost.processes == 1 { "" } else { "es" },
            "server memory",
            self.memory_per_connection(cost) / 1024.0,
            mebibytes(cost.memory_before),
            mebibytes(cost.memory_after),
        )
    }
}

fn row(f: &mut Formatter<'_>, label: &str, count: u64, rest: &str) -> Result {
    let line = format!("  {label:<14}{:>12}  {rest}", grouped(count));
    writeln!(f, "{}", line.trim_end())
}

fn readable_time(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{:.0} µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", nanos as f64 / 1e9),
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            peer: "turted",
            url: "http://127.0.0.1:7117".to_owned(),
            subscribers: 1000,
            joining: Duration::from_millis(150),
            pace: "1 in flight".to_owned(),
            payload: 128,
            wanted: 200,
            publishes: 200,
            deliveries: 200_000,
            took: Duration::from_secs(2),
            latency: [900, 2_500_000, 3_000_000_000],
            lost: 0,
            doubled: 0,
            misordered: 0,
            disconnected: (0, None),
            cost: Some(Cost {
                cpu: 1_000_000_000,
                memory_before: 10_000_000,
                memory_after: 20_240_000,
                processes: 3,
            }),
        }
    }

    #[test]
    fn figures_are_per_delivery_and_per_connection() {
        let json = report().json();
        assert_eq!(json["deliveries_per_second"], 100_000.0);
        assert_eq!(json["server"]["cpu_us_per_delivery"], 5.0);
        assert_eq!(json["server"]["memory_per_connection"], 10_240.0);
        let text = report().to_string();
        assert!(text.contains("5.00 µs per delivery (3 processes)"), "{text}");
        assert!(text.contains("p50 1 µs   p99 2.5 ms   max 3.00 s"), "{text}");
    }

    #[test]
    fn loss_doubles_and_stops_are_failures() {
        assert_eq!(report().failure(), None);
        let failed = Report {
            lost: 1200,
            doubled: 3,
            publishes: 7,
            ..report()
        };
        assert_eq!(
            failed.failure().unwrap(),
            "deliveries lost: 1,200, doubled: 3, stopped after 7 of 200 publishes"
        );
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
