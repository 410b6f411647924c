//! The protocol of RackHD as the configuration offers it.
//!
//! In: a section of the configuration. Out: an entrance with its resources; those of RackHD are there by themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use turted_core::SettingError;

use super::door::MessengerDoor;
use super::{EXCHANGES, MQ, RESOURCES, RackHd, Terms};
use crate::carriers::{Bounds, OfferConfig};

/// What stands for a resource in the name of its channel.
const RESOURCE: &str = "{resource}";

/// `type = "rackhd"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RackHdConfig {
    /// The channel of a resource that is watched. Default `{resource}`.
    #[serde(default = "resource")]
    channel: String,
    /// What may be asked for and watched besides the twelve of RackHD, or without some of them.
    #[serde(default)]
    resources: BTreeMap<String, ResourceConfig>,
    /// The exchanges of RabbitMQ that may be watched as `mq`. Default those of RackHD.
    #[serde(default = "exchanges")]
    exchanges: BTreeSet<String>,
    /// The resource by which a client hears what its user is told. Default `user`.
    #[serde(default = "user")]
    user: String,
    /// The resource by which a client hears what everybody is told. Default `everybody`.
    #[serde(default = "everybody")]
    everybody: String,
}

/// One resource.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceConfig {
    /// Whether it is there. Default true.
    #[serde(default = "yes")]
    enabled: bool,
}

fn resource() -> String {
    RESOURCE.to_owned()
}

fn exchanges() -> BTreeSet<String> {
    EXCHANGES.map(str::to_owned).into()
}

fn user() -> String {
    "user".to_owned()
}

fn everybody() -> String {
    "everybody".to_owned()
}

fn yes() -> bool {
    true
}

impl OfferConfig for RackHdConfig {
    const TYPE: &'static str = "rackhd";
    type Offer = MessengerDoor;

    fn build(self, bounds: &Bounds) -> Result<MessengerDoor, SettingError> {
        let around = self.channel.split_once(RESOURCE);
        let around = around.filter(|(before, behind)| !format!("{before}{behind}").contains(['{', '}']));
        let Some((before, behind)) = around else {
            let why =
                "must have {resource} in it once, and no other { or }, as in \"{resource}\" or \"rackhd/{resource}\"";
            return Err(SettingError::new("channel", why));
        };
        if let Some(exchange) = self.exchanges.iter().find(|name| name.is_empty() || name.contains(':')) {
            let why = format!("has {exchange:?}; the name of an exchange must not be empty, nor have a colon");
            return Err(SettingError::new("exchanges", why));
        }
        let mut resources: BTreeSet<String> = RESOURCES.map(str::to_owned).into();
        for (name, resource) in &self.resources {
            let bad = |letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter));
            if name == MQ || name.is_empty() || name.contains(bad) {
                let why = "a resource is called by letters, digits, - _ and ., and mq is not a collection";
                return Err(SettingError::new(format!("resources.{name}"), why));
            }
            match resource.enabled {
                true => drop(resources.insert(name.clone())),
                false => drop(resources.remove(name)),
            }
        }
        let terms = Terms {
            resources,
            around: (before.to_owned(), behind.to_owned()),
            exchanges: self.exchanges,
            personal: (self.user, self.everybody),
            limits: bounds.limits,
            bad_messages: bounds.bad_messages,
        };
        // A channel that is too long for one of them is too long for good.
        for name in terms.resources.iter().map(String::as_str).chain([MQ]) {
            let channel = terms.channel(name);
            channel.map_err(|why| SettingError::new("channel", format!("for the resource {name} {why}")))?;
        }
        Ok(MessengerDoor {
            protocol: RackHd::new(terms),
        })
    }
}
