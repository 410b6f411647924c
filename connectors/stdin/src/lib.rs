//! Way in: lines of the standard input.
//!
//! In: the section `[connectors.<name>]` with `type = "stdin"`, and lines, each of them a message. Out: dispatches. The
//! end of the input ends the connector, not the server. Refuses to know: who writes the lines. Whoever may write to the
//! standard input of a process may push.

mod source;
#[cfg(test)]
mod tests;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;
use turted_core::envelope::Refusal;
use turted_core::mapping::Message;
use turted_core::{
    Claim, ConnectorConfig, ConnectorContext, ConnectorError, ConnectorState, Envelope, Outcome, PushConnector, Recipe,
    SettingError, Vocabulary,
};

use crate::source::Source;

/// The settings of a section with `type = "stdin"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StdinConfig {
    /// How a line becomes an event. Default `"turted"`; a mapping has `{body}`, the line as text, and `{json…}`, and
    /// its payload is `{json}` by default.
    pub envelope: Envelope,
    /// Longest line in bytes, its end not counted. A longer one is refused as `too_large`; those after it are not.
    /// Default 64 KiB.
    #[serde(deserialize_with = "turted_core::units::size::deserialize")]
    pub max_line: usize,
}

impl Default for StdinConfig {
    fn default() -> Self {
        Self {
            envelope: Envelope::Turted,
            max_line: 64 * 1024,
        }
    }
}

impl ConnectorConfig for StdinConfig {
    const TYPE: &'static str = "stdin";
    type Connector = StdinConnector;

    fn build(self) -> Result<StdinConnector, SettingError> {
        if !(1..=1 << 30).contains(&self.max_line) {
            return Err(SettingError::new("max_line", "must be between 1 byte and 1 GiB"));
        }
        Ok(StdinConnector {
            recipe: Recipe::new(self.envelope, &Vocabulary::new(), &json!("{json}"))?,
            max_line: self.max_line,
            source: Source::stdin(),
        })
    }
}

/// Takes each line of the standard input as a message, in order; blank ones are nothing and not counted.
#[derive(Debug)]
pub struct StdinConnector {
    recipe: Recipe,
    max_line: usize,
    source: Source,
}

impl PushConnector for StdinConnector {
    fn claims(&self) -> Vec<Claim> {
        let (key, what) = ("type", "standard input".to_owned());
        vec![Claim { key, what }]
    }

    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            let mut reader = self.source.take(self.max_line).map_err(ConnectorError::Fatal)?;
            let why = format!("the line is longer than {} bytes", self.max_line);
            let too_long = Refusal::new("too_large", why);
            cx.report.state(ConnectorState::Running);
            loop {
                let line = tokio::select! {
                    () = cx.shutdown.wait() => return Ok(()),
                    line = reader.line() => line,
                };
                match line {
                    None => return Ok(()),
                    Some(Err(error)) => {
                        return Err(ConnectorError::Fatal(format!(
                            "the standard input cannot be read: {error}"
                        )));
                    }
                    Some(Ok(line)) if line.is_blank() => {}
                    Some(Ok(line)) if line.is_cut => cx.refuse(&too_long),
                    Some(Ok(line)) => {
                        // What became of it is counted; there is nobody to tell.
                        if cx.take(&self.recipe, &Text(&line.bytes)).await == Outcome::Left {
                            return Ok(());
                        }
                    }
                }
            }
        })
    }
}

/// A line as a message: it has a body and nothing else.
struct Text<'a>(&'a [u8]);

impl Message for Text<'_> {
    fn body(&self) -> &[u8] {
        self.0
    }

    fn field(&self, _name: &str) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
}
