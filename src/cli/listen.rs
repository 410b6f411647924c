//! `turted listen`: prints events as they come.
//!
//! In: whose events, and where. Out: one line each on standard output; what happens to the connection is told on
//! standard error. A wire that breaks is replaced, and the session goes on. Refuses to know messages (`session`) and
//! frames (`wire`).

use std::num::NonZeroU64;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use awc::Client;
use serde_json::{Map, Value};
use tokio::time::sleep;
use turted_core::Backoff;

use super::remote::{self, Broken};
use super::session::{Session, Step, reconnect_after};
use super::url::{self, Url};
use super::wire::{Heard, Wire};
use super::{line, tell, watch};

const EXAMPLES: &str = "\
Examples:
  turted listen --channel chat --channel news
  turted listen --user adam --token \"$(turted token adam)\" --json | jq .payload
  turted listen --all --event PAID --count 1";

/// Print events as they come: those of a user, of channels, or all of them
///
/// One line per event: 12:00:01 MESSAGE:NEW via channel chat k3f9-42 {"text":"hello"}
///
/// When the connection breaks, it comes back and prints what it missed; standard error tells about it. Without a user
/// and a channel it hears broadcasts only.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ListenArgs {
    /// The server, or the full URL of its WebSocket (ws://…)
    #[arg(long, default_value = url::DEFAULT, env = "TURTED_URL", hide_env_values = true)]
    url: String,

    /// Hear what is sent to this user
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    user: Option<String>,

    /// Hear this channel. May be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    channel: Vec<String>,

    /// The token of the user; with --all that of a backend, which may also stand in TURTED_TOKEN
    #[arg(long)]
    token: Option<String>,

    /// The password that users of the server know
    #[arg(long, requires = "user")]
    password: Option<String>,

    /// Hear everything that happens on the server; for those who may push
    #[arg(long)]
    all: bool,

    /// With --all: only dispatches of this event
    #[arg(long, value_name = "NAME", requires = "all")]
    event: Option<String>,

    /// Print JSON: the data of one event per line, {"event":…,"payload":…,"via":…,"id":…}; with --all
    /// {"note":…,"data":…}
    #[arg(long)]
    json: bool,

    /// Exit after this many events
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
}

/// Counts down to the last event that is wanted.
#[derive(Debug)]
pub struct Countdown(Option<u64>);

impl Countdown {
    /// One event was printed. True when it was the last one.
    pub fn is_last(&mut self) -> bool {
        if let Some(left) = &mut self.0 {
            *left -= 1;
        }
        self.0 == Some(0)
    }
}

/// Prints until the count is reached, the server sends this listener away, or nobody reads any more.
pub async fn run(args: ListenArgs) -> Result<()> {
    let url = Url::parse(&args.url)?;
    let client = remote::client(&url)?;
    let countdown = Countdown(args.count.map(NonZeroU64::get));
    if args.all {
        let variable = std::env::var("TURTED_TOKEN").ok();
        let stream = watch::Stream {
            url: url.observe(args.event.as_deref()),
            token: args.token.or(variable).filter(|token| !token.is_empty()),
            json: args.json,
        };
        return watch::run(&client, &stream, countdown).await;
    }
    if args.token.is_some() && args.user.is_none() {
        bail!("--token belongs to a --user, or with --all to a backend");
    }
    let listener = Listener {
        client,
        url: url.socket(),
        json: args.json,
        session: Session::new(ident(&args), args.channel),
        countdown,
    };
    listener.run().await
}

/// The data of IDENT.
fn ident(args: &ListenArgs) -> Option<Value> {
    let user = args.user.as_ref()?;
    let members = [
        ("username", Some(user)),
        ("token", args.token.as_ref()),
        ("password", args.password.as_ref()),
    ];
    let members = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?.as_str()))));
    Some(Value::Object(Map::from_iter(members)))
}

struct Listener {
    client: Client,
    url: String,
    json: bool,
    session: Session,
    countdown: Countdown,
}

/// How a wire ended without an error of this program.
enum End {
    /// Everything that was wanted has been printed.
    Enough,
    /// Come back.
    Broken(String),
}

impl Listener {
    /// The first attempt must succeed: what is wrong then is most often the command line.
    async fn run(mut self) -> Result<()> {
        let mut backoff = super::backoff();
        let mut wire = Wire::open(&self.client, &self.url).await?;
        tell(&format!("listening on {}", self.url));
        loop {
            let begin = Instant::now();
            match self.follow(&mut wire).await {
                Ok(End::Broken(reason)) => {
                    drop(wire);
                    backoff.lasted(begin.elapsed());
                    wire = self.reconnect(&mut backoff, reason).await?;
                }
                over => {
                    wire.close().await;
                    return over.map(drop);
                }
            }
        }
    }

    /// Prints what comes over one wire.
    async fn follow(&mut self, wire: &mut Wire) -> Result<End> {
        loop {
            let text = match wire.hear().await {
                Ok(Heard::Text(text)) => text,
                Ok(Heard::Closed(code, reason)) => {
                    let with = code.map(|code| format!(" with {code} {reason}")).unwrap_or_default();
                    return Self::ended(format!("the server closed{with}"), reconnect_after(code));
                }
                Err(Broken { reason, .. }) => return Ok(End::Broken(reason)),
            };
            for step in self.session.receive(&text) {
                match step {
                    Step::Say(text) => {
                        if let Err(Broken { reason, .. }) = wire.say(text).await {
                            return Ok(End::Broken(reason));
                        }
                    }
                    Step::Event(data) => {
                        self.print(&data)?;
                        if self.countdown.is_last() {
                            return Ok(End::Enough);
                        }
                    }
                    Step::Tell(text) => tell(&line::plain(&text)),
                    Step::Pings(interval) => wire.expect_pings(interval),
                    Step::Bye { reason, reconnect } => {
                        return Self::ended(format!("the server said goodbye: {reason}"), reconnect);
                    }
                    Step::Fail(reason) => bail!(line::plain(&reason)),
                }
            }
        }
    }

    fn ended(reason: String, reconnect: bool) -> Result<End> {
        let reason = line::plain(&reason);
        if reconnect {
            Ok(End::Broken(reason))
        } else {
            Err(anyhow!(reason))
        }
    }

    fn print(&self, data: &str) -> Result<()> {
        let line = match self.json {
            true => line::json(data),
            false => line::event(&line::now(), data).unwrap_or_else(|| line::plain(data)),
        };
        line::print(&line)
    }

    /// Tries until it succeeds, or until the server's answer says that it never will.
    async fn reconnect(&self, backoff: &mut Backoff, mut reason: String) -> Result<Wire> {
        loop {
            let pause = backoff.pause();
            tell(&format!("{reason}; trying again in {:.1} s", pause.as_secs_f64()));
            sleep(pause).await;
            match Wire::open(&self.client, &self.url).await {
                Ok(wire) => return Ok(wire),
                Err(broken) if !broken.again => return Err(broken.into()),
                Err(broken) => reason = broken.reason,
            }
        }
    }
}
