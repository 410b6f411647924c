//! What clients may speak: one list.
//!
//! In: sections `[clients.<name>]`. Out: offers, or problems that name the key. This is the only file that names every
//! dialect; another one costs a line in `KINDS`, and one in the defaults of the configuration that says at which path
//! it is.

use turted_core::SettingError;

use super::bayeux::config::BayeuxConfig;
use super::native::polls::PollsConfig;
use super::native::socket::SocketConfig;
use super::native::stream::StreamConfig;
use super::nodefony::config::NodefonyConfig;
use super::php::door::PhpConfig;
use super::primus::config::PrimusConfig;
use super::rackhd::config::RackHdConfig;
use super::realizehit::config::RealizeHitConfig;
use super::socketio::config::SocketIoConfig;
use super::sockjs::SockJsConfig;
use crate::carriers::{Bounds, Offer, OfferConfig};
use crate::config::{ClientSection, Problem};

type Build = fn(&ClientSection, &Bounds) -> Result<Box<dyn Offer>, Vec<Problem>>;

/// Value of `type`, and how such a section becomes an offer.
const KINDS: &[(&str, Build)] = &[
    (SocketConfig::TYPE, make::<SocketConfig>),
    (StreamConfig::TYPE, make::<StreamConfig>),
    (PollsConfig::TYPE, make::<PollsConfig>),
    (SocketIoConfig::TYPE, make::<SocketIoConfig>),
    (SockJsConfig::TYPE, make::<SockJsConfig>),
    (PhpConfig::TYPE, make::<PhpConfig>),
    (PrimusConfig::TYPE, make::<PrimusConfig>),
    (NodefonyConfig::TYPE, make::<NodefonyConfig>),
    (RealizeHitConfig::TYPE, make::<RealizeHitConfig>),
    (RackHdConfig::TYPE, make::<RackHdConfig>),
    (BayeuxConfig::TYPE, make::<BayeuxConfig>),
    #[cfg(test)]
    (super::sample::SampleConfig::TYPE, make::<super::sample::SampleConfig>),
];

/// Builds the offer of a section.
///
/// # Errors
/// Every problem of the section, with its place.
pub fn build(client: &ClientSection, bounds: &Bounds) -> Result<Box<dyn Offer>, Vec<Problem>> {
    match KINDS.iter().find(|(kind, _)| *kind == client.section.kind) {
        Some((_, build)) => build(client, bounds),
        None => {
            let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            Err(vec![client.section.unknown_kind(&known)])
        }
    }
}

/// Checks a section without keeping what it builds.
///
/// # Errors
/// As [`build`].
pub fn check(client: &ClientSection) -> Result<(), Vec<Problem>> {
    build(client, &Bounds::default()).map(drop)
}

fn make<C: OfferConfig>(client: &ClientSection, bounds: &Bounds) -> Result<Box<dyn Offer>, Vec<Problem>>
where
    C::Offer: 'static,
{
    let config: C = client.section.parse()?;
    match config.build(bounds) {
        Ok(offer) => Ok(Box::new(offer)),
        Err(error) => {
            let problem = |error: SettingError| client.section.problem(&error.key, error.why);
            Err(error.all().into_iter().map(problem).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_kind_has_an_entrance_and_every_entrance_has_its_kind() {
        let clients = Config::default().clients;
        for client in clients.values() {
            assert!(check(client).is_ok(), "{}", client.section.name);
        }
        for (word, _) in KINDS.iter().filter(|(word, _)| *word != "sample") {
            assert!(
                clients.values().any(|client| client.section.kind == *word),
                "nobody knows where {word} is"
            );
        }
        let nobody = "[clients.x]\ntype = \"websockets\"";
        let sources = crate::config::Sources {
            sets: nobody.lines().skip(1).map(|line| format!("clients.x.{line}")).collect(),
            ..Default::default()
        };
        let wrong = crate::Server::load(&sources).unwrap_err().to_string();
        assert_eq!(
            wrong,
            "--set clients.x.type: must be one of \"websocket\", \"events\", \"polls\", \"socketio\", \"sockjs\", \"php\", \"primus\", \"nodefony\", \"realizehit\", \"rackhd\", \"bayeux\", \"sample\"; did you mean websocket?"
        );
        let mut words: Vec<_> = KINDS.iter().map(|(word, _)| *word).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), KINDS.len(), "a word means one thing");
    }
}
