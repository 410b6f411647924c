//! What flows in: `server.proxies`, and `[[auth.clients]]` of type `headers`. What flows out: the peers that are
//! believed, and the headers in which they say who somebody is. Refuses to know: requests.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use turted_core::mapping::Template;

/// An address, or a network such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// All of its addresses; an address is a network of one.
    #[must_use]
    pub fn addresses(self) -> IpNet {
        self.0
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.prefix_len() == self.0.max_prefix_len() {
            true => serializer.collect_str(&self.0.addr()),
            false => serializer.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address = text
            .parse::<IpAddr>()
            .map(|address| IpNet::from(address.to_canonical()));
        let network: IpNet = address.or_else(|_| text.parse()).map_err(|_| {
            D::Error::custom("must be an address or a network, such as \"127.0.0.1\" or \"10.0.0.0/8\"")
        })?;
        if network.prefix_len() == 0 {
            return Err(D::Error::custom(
                "is everybody, so anybody could be anybody; name the proxies",
            ));
        }
        if network.addr() != network.network() {
            let meant = network.trunc();
            return Err(D::Error::custom(format!(
                "has bits beyond its prefix; write \"{meant}\""
            )));
        }
        Ok(Self(network))
    }
}

/// `type = "headers"`: a proxy says who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// Who it is, such as `{header.x-user}`.
    pub user: HeaderTemplate,
    /// What else is vouched for, by name. Default none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, HeaderTemplate>,
}

/// A text with placeholders, each of which is a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderTemplate {
    text: String,
    /// The same, read.
    pub template: Template,
}

impl Serialize for HeaderTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for HeaderTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let template = Template::parse(&text).map_err(D::Error::custom)?;
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let is_header = |name: &str| {
            let header = name.strip_prefix("header.");
            header.is_some_and(|header| !header.is_empty() && header.bytes().all(is_token))
        };
        if template.names().next().is_none() {
            return Err(D::Error::custom(
                "has no header in it; write something like \"{header.x-user}\"",
            ));
        }
        if !template.names().all(is_header) {
            let message = "may hold headers such as {header.x-user}: letters, digits and hyphens";
            return Err(D::Error::custom(message));
        }
        Ok(Self { text, template })
    }
}
