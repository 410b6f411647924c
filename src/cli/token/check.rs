//! `turted token --check`: what holds of a token, line by line, and the line to change when something does not.
//!
//! In: a token, and the door of the configuration. Out: lines for a person; the exit code says whether it would be
//! taken. The token itself is never printed.

use std::io::Read;

use anyhow::{Context, Result, anyhow};

use super::line;
use turted_core::may::Pattern;

use crate::config::{Config, Method};
use crate::server::{fetched, verifier};

/// What there is to say.
pub struct Report {
    /// Each thing that holds, and the one that does not.
    pub lines: Vec<String>,
    /// Whether all of it holds.
    pub holds: bool,
}

/// Says it on standard output.
///
/// # Errors
/// When the token would not be taken.
pub fn run(token: &str, (section, methods): (&str, Vec<&Method>), config: &Config) -> Result<()> {
    let token = match token {
        "-" => {
            let mut text = String::new();
            let read = std::io::stdin().take(1 << 20).read_to_string(&mut text);
            read.context("failed to read the token from standard input")?;
            text
        }
        token => token.to_owned(),
    };
    let report = actix_web::rt::System::new().block_on(report(token.trim(), (section, methods), config))?;
    for text in &report.lines {
        line::print(text)?;
    }
    match report.holds {
        true => Ok(()),
        false => Err(anyhow!("[{section}] would not take this token")),
    }
}

/// What is to be said about a token.
///
/// # Errors
/// When the door takes no tokens of this kind, or its keys cannot be used.
pub async fn report(token: &str, (section, methods): (&str, Vec<&Method>), config: &Config) -> Result<Report> {
    let jwts: Vec<_> = methods
        .iter()
        .filter_map(|method| match method {
            Method::Jwt(jwt) => Some(&**jwt),
            _ => None,
        })
        .collect();
    if jwts.is_empty() {
        return Err(anyhow!(
            "[{section}] has no method of type \"jwt\", which is what --check looks at"
        ));
    }
    // What there is to say if none takes it.
    let mut said = Vec::new();
    for (at, jwt) in jwts.iter().enumerate() {
        let (mut verifier, jwks) = verifier(jwt, config).map_err(|(key, why)| anyhow!("{section}.{key}: {why}"))?;
        if at + 1 < jwts.len() {
            verifier = verifier.passing_on();
        }
        if let Some(jwks) = jwks {
            // The token may be another's.
            if let Err(why) = fetched(&jwks).await {
                let issuer = jwt.issuer.as_deref().unwrap_or_default();
                said.push(format!("✗ the keys of {issuer} could not be fetched: {why}"));
                continue;
            }
        }
        let mut lines = Vec::new();
        let outcome = verifier.explain(token, &mut lines).await;
        let mut lines: Vec<String> = lines.iter().map(|held| format!("✓ {}", line::plain(held))).collect();
        let Err((why, mend)) = outcome else {
            if let Some(within) = &jwt.grants {
                let patterns: Vec<&str> = within.iter().map(Pattern::as_str).collect();
                lines.push(format!(
                    "  what its may grants counts within grants = {patterns:?} only"
                ));
            }
            return Ok(Report { lines, holds: true });
        };
        if why.is_empty() {
            continue;
        }
        lines.push(format!("✗ {}", line::plain(&why)));
        lines.extend(mend.map(|line| format!("  to take it, or find out why it is so:\n    [{section}]\n    {line}")));
        said.append(&mut lines);
        break;
    }
    if said.is_empty() {
        said.push("✗ no method looks at it".to_owned());
    }
    Ok(Report {
        lines: said,
        holds: false,
    })
}
