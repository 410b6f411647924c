//! Numbers for Prometheus.
//!
//! In: notes, the census and the meters of the couriers. Out: the OpenMetrics text format, which Prometheus reads.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use turted_core::{ConnectorState, Note, Observer, Report};

use crate::client::courier::Meters;
use crate::dispatcher::Census;
use crate::engine::LinkState;

type Labels = Vec<(&'static str, String)>;

/// How often what was refused, and why.
#[derive(Debug, Clone, Default)]
pub struct Refused(Family<[(&'static str, &'static str); 2], Counter>);

impl Refused {
    /// One more.
    pub fn count(&self, what: &'static str, why: &'static str) {
        self.0.get_or_create(&[("what", what), ("why", why)]).inc();
    }
}

/// How often somebody else was asked, what for, and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcomes(Family<[(&'static str, &'static str); 2], Counter>);

impl Outcomes {
    /// One more.
    pub fn count(&self, purpose: &'static str, outcome: &'static str) {
        self.0
            .get_or_create(&[("purpose", purpose), ("outcome", outcome)])
            .inc();
    }
}

/// A number that somebody else keeps: its name, what it is, and how much it is now.
pub type Gauged = (&'static str, &'static str, usize);

/// The keys of an issuer: its name, and how old they are, if there are any.
pub type Aged = (Arc<str>, Option<Duration>);

/// Every number of the server.
pub struct Metrics {
    registry: Registry,
    census: Arc<Census>,
    connections: Gauge,
    users: Gauge,
    channels: Gauge,
    parked: Gauge,
    log_bytes: Gauge,
    opened: Counter,
    ended: Family<Labels, Counter>,
    resumed: Counter,
    replayed: Counter,
    dispatches: Counter,
    deliveries: Counter,
    meters: Meters,
    refused: Refused,
    outcomes: Outcomes,
}

impl Metrics {
    /// Fresh numbers.
    #[must_use]
    pub fn new(census: Arc<Census>) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("turted"),
            census,
            connections: Gauge::default(),
            users: Gauge::default(),
            channels: Gauge::default(),
            parked: Gauge::default(),
            log_bytes: Gauge::default(),
            opened: Counter::default(),
            ended: Family::default(),
            resumed: Counter::default(),
            replayed: Counter::default(),
            dispatches: Counter::default(),
            deliveries: Counter::default(),
            meters: Meters {
                latency: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
                dropped: Counter::default(),
            },
            refused: Refused::default(),
            outcomes: Outcomes::default(),
        };
        metrics.register();
        metrics
    }

    /// What the couriers measure.
    #[must_use]
    pub fn meters(&self) -> Meters {
        self.meters.clone()
    }

    /// Where refusals are counted.
    #[must_use]
    pub fn refused(&self) -> Refused {
        self.refused.clone()
    }

    /// Where it is counted what came of asking others.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        self.outcomes.clone()
    }

    /// Everything as text; connectors, the bus and those who keep the `gauged` and `keys` are asked at this moment.
    #[must_use]
    pub fn render(
        &self,
        connectors: &[(Arc<str>, Report)],
        observer_lost: u64,
        gauged: &[Gauged],
        keys: &[Aged],
        cluster: Option<&LinkState>,
    ) -> String {
        let counts = self.census.read();
        let set = |gauge: &Gauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.connections, counts.connections);
        set(&self.users, counts.users);
        set(&self.channels, counts.channels);
        set(&self.parked, counts.parked);
        set(&self.log_bytes, counts.log_bytes);
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        let body = text.trim_end_matches("# EOF\n").len();
        text.truncate(body);
        render_connectors(&mut text, connectors);
        for (name, help, value) in gauged {
            let _ = writeln!(
                text,
                "# HELP turted_{name} {help}.\n# TYPE turted_{name} gauge\nturted_{name} {value}"
            );
        }
        render_keys(&mut text, keys);
        if let Some(cluster) = cluster {
            super::cluster::render(&mut text, cluster);
        }
        let _ = write!(
            text,
            "# HELP turted_observer_lost Notes that an observer was too slow for.\n\
             # TYPE turted_observer_lost counter\nturted_observer_lost_total {observer_lost}\n# EOF\n"
        );
        text
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("users", "Users with a connection", self.users.clone());
        registry.register("channels", "Channels with a connection", self.channels.clone());
        registry.register(
            "parked",
            "Connections without a wire that may come back",
            self.parked.clone(),
        );
        registry.register(
            "log_bytes",
            "Bytes held in the log of recent dispatches",
            self.log_bytes.clone(),
        );
        registry.register("connections_opened", "Connections opened", self.opened.clone());
        registry.register("connections_ended", "Connections ended, by reason", self.ended.clone());
        registry.register("resumes", "Connections resumed on a new wire", self.resumed.clone());
        registry.register(
            "replayed",
            "Events replayed to resumed connections",
            self.replayed.clone(),
        );
        registry.register(
            "refused",
            "What was refused, by what was asked for and why",
            self.refused.0.clone(),
        );
        registry.register(
            "outbound_requests",
            "Requests to somebody else, by what for and what came of it",
            self.outcomes.0.clone(),
        );
        registry.register("dispatches", "Events dispatched", self.dispatches.clone());
        registry.register("deliveries", "Events queued to a connection", self.deliveries.clone());
        registry.register(
            "outbox_drops",
            "Events dropped because an outbox was full (slow = \"drop\")",
            self.meters.dropped.clone(),
        );
        registry.register(
            "push_to_outbox_seconds",
            "From taking a push in to having it in the outboxes of a worker",
            self.meters.latency.clone(),
        );
    }
}

impl Observer for Metrics {
    fn note(&self, note: &Note) {
        match note {
            Note::Dispatched { receipt, .. } => {
                self.dispatches.inc();
                self.deliveries.inc_by(receipt.recipients as u64);
            }
            Note::Opened { .. } => {
                self.opened.inc();
            }
            Note::Ended { reason, .. } => {
                let labels = vec![("reason", (*reason).to_owned())];
                self.ended.get_or_create(&labels).inc();
            }
            Note::Resumed { replayed, .. } => {
                self.resumed.inc();
                self.replayed.inc_by(*replayed as u64);
            }
            // Nothing is counted of the others.
            _ => {}
        }
    }
}

/// Issuers are what the configuration says, URLs or not.
fn render_keys(text: &mut String, keys: &[Aged]) {
    if keys.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "# HELP turted_jwks_age_seconds How old the keys of an issuer are; nothing while there were never any.\n\
         # TYPE turted_jwks_age_seconds gauge"
    );
    for (issuer, age) in keys {
        if let Some(age) = age {
            let issuer = issuer.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let _ = writeln!(
                text,
                "turted_jwks_age_seconds{{issuer=\"{issuer}\"}} {:.3}",
                age.as_secs_f64()
            );
        }
    }
}

/// Connector names are checked by the configuration, states and reasons are words of this program: none needs escapes.
fn render_connectors(text: &mut String, connectors: &[(Arc<str>, Report)]) {
    let mut family = |name: &str, kind: &str, help: &str, samples: &dyn Fn(&Report) -> Vec<(String, u64)>| {
        let suffix = if kind == "counter" { "_total" } else { "" };
        let _ = writeln!(
            text,
            "# HELP turted_connector_{name} {help}.\n# TYPE turted_connector_{name} {kind}"
        );
        for (connector, report) in connectors {
            for (labels, value) in samples(report) {
                let _ = writeln!(
                    text,
                    "turted_connector_{name}{suffix}{{connector=\"{connector}\"{labels}}} {value}"
                );
            }
        }
    };
    family(
        "state",
        "gauge",
        "1 for the state that the connector is in",
        &|report| {
            let current = report.current();
            let states = ConnectorState::WORDS.iter();
            states
                .map(|word| (format!(",state=\"{word}\""), u64::from(*word == current.word())))
                .collect()
        },
    );
    family(
        "events",
        "counter",
        "Inputs that became events and got a receipt",
        &|report| vec![(String::new(), report.counts().0)],
    );
    family(
        "doubtful",
        "counter",
        "Inputs that were taken although they are probably not meant so, by reason",
        &|report| {
            let doubts = report.doubts().into_iter();
            doubts
                .map(|(reason, count)| (format!(",reason=\"{reason}\""), count))
                .collect()
        },
    );
    family(
        "refused",
        "counter",
        "Inputs that could not be dispatched, by reason",
        &|report| {
            let refusals = report.refusals().into_iter();
            refusals
                .map(|(reason, count)| (format!(",reason=\"{reason}\""), count))
                .collect()
        },
    );
}
