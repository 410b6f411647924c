//! `turted check`: shows what is in effect.
//!
//! In: a configuration without mistakes. Out: the same as TOML on standard output; on the other one, what the next
//! release will not read any more. Never sees a secret: they come masked.

use anyhow::Result;

use super::line;
use crate::Server;
use crate::config::Config;

/// Prints the effective configuration, if a server can be built from it.
pub fn run(config: &Config) -> Result<()> {
    Server::builder().config(config.clone()).build()?;
    for hint in &config.hints {
        eprintln!("{hint}");
    }
    line::print(config.to_toml_masked().trim_end())
}
