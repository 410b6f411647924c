//! The connectors that this program comes with: one list.
//!
//! In: sections of the configuration. Out: connectors, or problems that name the key. This is the only file that names
//! a connector crate; another one costs a line in `KINDS`.

use turted_core::{ConnectorConfig, PushConnector, SettingError};

use crate::config::{Problem, Section};

type Build = fn(&Section) -> Result<Box<dyn PushConnector>, Vec<Problem>>;

/// Value of `type`, and how such a section becomes a connector.
const KINDS: &[(&str, Build)] = &[
    #[cfg(feature = "file")]
    (turted_file::FileConfig::TYPE, make::<turted_file::FileConfig>),
    #[cfg(feature = "rabbitmq")]
    (
        turted_rabbitmq::RabbitmqConfig::TYPE,
        make::<turted_rabbitmq::RabbitmqConfig>,
    ),
    #[cfg(feature = "redis")]
    (turted_redis::RedisConfig::TYPE, make::<turted_redis::RedisConfig>),
    #[cfg(feature = "rest")]
    (turted_rest::RestConfig::TYPE, make::<turted_rest::RestConfig>),
    #[cfg(feature = "stdin")]
    (turted_stdin::StdinConfig::TYPE, make::<turted_stdin::StdinConfig>),
    #[cfg(feature = "tcp")]
    (turted_tcp::TcpConfig::TYPE, make::<turted_tcp::TcpConfig>),
];

/// Builds the connector of a section.
///
/// # Errors
/// Every problem of the section, with its place.
pub fn build(section: &Section) -> Result<Box<dyn PushConnector>, Vec<Problem>> {
    match KINDS.iter().find(|(kind, _)| *kind == section.kind) {
        Some((_, build)) => build(section),
        None => {
            let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            Err(vec![section.unknown_kind(&known)])
        }
    }
}

/// Checks a section without keeping what it builds.
///
/// # Errors
/// As [`build`].
pub fn check(section: &Section) -> Result<(), Vec<Problem>> {
    build(section).map(drop)
}

// Without any connector nobody makes one.
#[allow(dead_code)]
fn make<C: ConnectorConfig>(section: &Section) -> Result<Box<dyn PushConnector>, Vec<Problem>> {
    let config: C = section.parse()?;
    match config.build() {
        Ok(connector) => Ok(Box::new(connector)),
        Err(error) => {
            let problem = |error: SettingError| section.problem(&error.key, error.why);
            Err(error.all().into_iter().map(problem).collect())
        }
    }
}
