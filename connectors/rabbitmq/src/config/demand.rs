//! The key `on_demand`: what is heard of the broker while clients are in which channels.
//!
//! In: rules, or the word `rackhd`, which stands for rules. Out: rules that are checked, or what is wrong with one.

use std::collections::BTreeMap;
use std::fmt;

use lapin::ExchangeKind;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde_json::{Value, json};
use turted_core::SettingError;
use turted_core::mapping::{Envelope, Mapping, Names, Recipe, Switch, Template};

use super::{Exchange, ExchangeType, text_or_table};
use crate::demand::{Form, Rule, Rules, SHORT, words};

/// The collections of RackHD, and the words by which their routing keys begin.
const COLLECTIONS: [(&str, &str); 12] = [
    ("catalogs", "catalogs"),
    ("files", "files"),
    ("graphDefs", "graphdefinitions"),
    ("graphObjs", "graphobjects"),
    ("logs", "logs"),
    ("lookups", "lookups"),
    ("nodes", "nodes"),
    ("pollers", "workitems"),
    ("profiles", "profiles"),
    ("skus", "skus"),
    ("taskDefs", "taskdefinitions"),
    ("templates", "templates"),
];

/// The exchanges of RackHD.
const EXCHANGES: [&str; 13] = [
    "on.configuration",
    "on.dhcp",
    "on.events",
    "on.http",
    "on.logging",
    "on.task-graph-runner",
    "on.scheduler",
    "on.task",
    "on.tftp",
    "on.waterline",
    "on.test",
    "on.ssdp",
    "on.heartbeat",
];

/// What is heard on demand.
#[derive(Debug)]
pub enum OnDemand {
    /// `"rackhd"`: what RackHD's services publish, for the channels of `[clients.rackhd]`.
    RackHd,
    /// What the rules say; the first that knows a channel is the channel's.
    Rules(Vec<RuleConfig>),
}

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Channels, with places: `orders`, `mq:{exchange}:{key}`. Required.
    channel: String,
    /// What may stand at a place: a list, or a table of what it becomes. A place of `exchange` must be in here; others
    /// may be anything.
    #[serde(default)]
    allow: BTreeMap<String, Allowed>,
    /// The exchange: the name of one that exists, or a table that declares it durable. The name may have places.
    /// Required.
    #[serde(deserialize_with = "text_or_table::one")]
    exchange: Exchange,
    /// The routing key, or the pattern of a topic exchange; may have places. Default empty, for a fanout exchange.
    #[serde(default)]
    key: String,
    /// What happened. Default `{routing_key}`.
    #[serde(default = "routing_key")]
    event: Template,
    /// What goes with it. Default `{json}`, the whole body.
    #[serde(default)]
    payload: Option<Value>,
}

fn routing_key() -> Template {
    // It is one.
    Template::parse("{routing_key}").unwrap_or_else(|_| unreachable!())
}

/// What may stand at a place.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a list of texts, or a table of texts")]
enum Allowed {
    /// These, as they are.
    These(Vec<String>),
    /// These, and what each becomes.
    Become(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for OnDemand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrRules;
        impl<'de> Visitor<'de> for WordOrRules {
            type Value = OnDemand;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"rackhd\", or a list of tables with channel, allow, exchange, key, event, payload")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OnDemand, E> {
                match text {
                    "rackhd" => Ok(OnDemand::RackHd),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OnDemand, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(OnDemand::Rules)
            }
        }
        deserializer.deserialize_any(WordOrRules)
    }
}

/// Checks them.
pub fn rules(on_demand: OnDemand) -> Result<Rules, SettingError> {
    let list = match on_demand {
        OnDemand::RackHd => rackhd().map_err(|why| SettingError::new("on_demand", why.to_string()))?,
        OnDemand::Rules(list) if list.is_empty() => {
            return Err(SettingError::new("on_demand", "must not be empty"));
        }
        OnDemand::Rules(list) => list,
    };
    let rules: Result<Vec<Rule>, SettingError> = list.into_iter().map(rule).collect();
    rules.map(|rules| Rules(rules.into()))
}

/// What `rackhd` stands for.
fn rackhd() -> serde_json::Result<Vec<RuleConfig>> {
    let collections: BTreeMap<_, _> = COLLECTIONS.into();
    serde_json::from_value(json!([
        {
            "channel": "{resource}",
            "allow": {"resource": collections},
            "exchange": {"name": "on.waterline", "type": "topic"},
            "key": "{resource}.#",
            "event": "{routing_key.1}",
            "payload": {"id": "{routing_key.2..}", "record": "{json.record}"},
        },
        {
            "channel": "mq:{exchange}:{key}",
            "allow": {"exchange": EXCHANGES},
            "exchange": {"name": "{exchange}", "type": "topic"},
            "key": "{key}",
            "payload": "{content}",
        },
    ]))
}

fn rule(config: RuleConfig) -> Result<Rule, SettingError> {
    let channel = config.channel;
    let wrong =
        |key: &str, why: String| SettingError::new("on_demand", format!("{key} of the rule for {channel:?} {why}"));
    let form = Form::parse(&channel).map_err(|why| wrong("channel", why))?;
    let template = |key: &str, text: &str| {
        let template = Template::parse(text).map_err(|why| wrong(key, why))?;
        let mut names = template.names();
        if let Some(name) = names.find(|name| !form.places().any(|place| place == *name)) {
            return Err(wrong(
                key,
                format!("names {{{name}}}, which is no place of the channel"),
            ));
        }
        drop(names);
        Ok(template)
    };
    let exchange = template("exchange", &config.exchange.name)?;
    let key = template("key", &config.key)?;
    if let Some(place) = config
        .allow
        .keys()
        .find(|place| !form.places().any(|known| known == place.as_str()))
    {
        return Err(wrong(
            "allow",
            format!("names {place}, which is no place of the channel"),
        ));
    }
    // Whoever joins a channel must not choose any exchange there is (CWE-639).
    if let Some(place) = exchange.names().find(|place| !config.allow.contains_key(*place)) {
        return Err(wrong(
            "allow",
            format!("must say which {place} there may be, since it is the exchange"),
        ));
    }
    let allowed: BTreeMap<String, BTreeMap<String, String>> = config.allow.into_iter().map(allow).collect();
    let texts = allowed.values().flat_map(BTreeMap::values);
    if texts
        .chain([&config.exchange.name, &config.key])
        .any(|text| text.len() > SHORT)
    {
        return Err(wrong(
            "exchange, key or allow",
            format!("has a text of more than {SHORT} bytes"),
        ));
    }
    if config.exchange.name.is_empty() {
        return Err(wrong("exchange", "must not be empty".into()));
    }
    let kind = match config.exchange.kind {
        Some(ExchangeType::Topic) => Some(ExchangeKind::Topic),
        Some(ExchangeType::Direct) => Some(ExchangeKind::Direct),
        Some(ExchangeType::Fanout) => Some(ExchangeKind::Fanout),
        Some(ExchangeType::Headers) => {
            return Err(wrong(
                "exchange",
                "must not be one of headers: a rule has a routing key".into(),
            ));
        }
        None => None,
    };
    let to = Template::parse("{channel}").map_err(|why| wrong("channel", why))?;
    let mapping = Mapping {
        event: config.event,
        users: Names::default(),
        channels: Names(vec![to]),
        broadcast: Switch::Fixed(false),
        payload: config.payload,
        id: None,
    };
    let recipe = Recipe::new(Envelope::Mapped(Box::new(mapping)), &words(), &json!("{json}"));
    let recipe = recipe.map_err(|error| {
        let (key, why) = (error.key.trim_start_matches("envelope."), error.why.clone());
        wrong(key, why)
    })?;
    Ok(Rule {
        form,
        allowed,
        exchange,
        kind,
        key,
        recipe,
    })
}

fn allow((place, allowed): (String, Allowed)) -> (String, BTreeMap<String, String>) {
    let texts = match allowed {
        Allowed::These(list) => list.into_iter().map(|text| (text.clone(), text)).collect(),
        Allowed::Become(table) => table,
    };
    (place, texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: Value) -> Result<Rules, String> {
        let on_demand: OnDemand = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        rules(on_demand).map_err(|error| error.to_string())
    }

    #[test]
    fn what_rackhd_stands_for() {
        let rules = read(json!("rackhd")).unwrap();
        for (channel, wanted) in [
            ("nodes", Some(("on.waterline", "nodes.#"))),
            ("pollers", Some(("on.waterline", "workitems.#"))),
            ("graphObjs", Some(("on.waterline", "graphobjects.#"))),
            ("graphDefs", Some(("on.waterline", "graphdefinitions.#"))),
            ("taskDefs", Some(("on.waterline", "taskdefinitions.#"))),
            ("workitems", None),
            ("mq:on.events:#", Some(("on.events", "#"))),
            ("mq:on.events:a:b.*", Some(("on.events", "a:b.*"))),
            ("mq:amq.topic:#", None),
            ("mq:on.events:", None),
            ("mq", None),
            ("chat", None),
        ] {
            let found = rules.find(channel).map(|(_, wanted)| wanted);
            let found = found
                .as_ref()
                .map(|wanted| (wanted.exchange.as_str(), wanted.key.as_str()));
            assert_eq!(found, wanted, "{channel}");
        }
        // CWE-248: the driver panics at a longer one.
        assert!(rules.find(&format!("mq:on.events:{}", "k".repeat(256))).is_none());
    }

    #[test]
    fn a_mistake_names_the_rule_and_what_is_allowed() {
        let exchange = json!({"name": "x", "type": "topic"});
        for (settings, said) in [
            (
                json!("rackhdd"),
                "expected \"rackhd\", or a list of tables with channel, allow, exchange, key, event, payload",
            ),
            (json!([]), "on_demand: must not be empty"),
            (json!([{"channel": "a"}]), "missing field `exchange`"),
            (
                json!([{"channel": "a", "exchange": exchange, "event": "E", "x": 1}]),
                "unknown field `x`",
            ),
            (
                json!([{"channel": "", "exchange": exchange}]),
                "channel of the rule for \"\" must not be empty",
            ),
            (
                json!([{"channel": "a{", "exchange": exchange}]),
                "channel of the rule for \"a{\" has a brace",
            ),
            (
                json!([{"channel": "a", "exchange": ""}]),
                "exchange of the rule for \"a\" must not be empty",
            ),
            (
                json!([{"channel": "{a}", "exchange": "{b}"}]),
                "exchange of the rule for \"{a}\" names {b}, which is no place",
            ),
            (
                json!([{"channel": "{a}", "exchange": "{a}"}]),
                "allow of the rule for \"{a}\" must say which a there may be",
            ),
            (
                json!([{"channel": "a", "exchange": "x", "key": "{b}"}]),
                "key of the rule for \"a\" names {b}",
            ),
            (
                json!([{"channel": "a", "exchange": "x", "allow": {"b": []}}]),
                "allow of the rule for \"a\" names b",
            ),
            (
                json!([{"channel": "{a}", "exchange": "x", "allow": {"a": 7}}]),
                "expected a list of texts, or a table of texts",
            ),
            (
                json!([{"channel": "a", "exchange": {"name": "x", "type": "headers"}}]),
                "must not be one of headers",
            ),
            (
                json!([{"channel": "a", "exchange": "x", "key": "k".repeat(256)}]),
                "has a text of more than 255 bytes",
            ),
            (
                json!([{"channel": "a", "exchange": "x", "event": "{nix}"}]),
                "event of the rule for \"a\" names {nix}",
            ),
            (
                json!([{"channel": "a", "exchange": "x", "payload": ["{nix}"]}]),
                "payload of the rule for \"a\" names {nix}",
            ),
        ] {
            let mistake = read(settings.clone())
                .err()
                .unwrap_or_else(|| panic!("{settings} was taken"));
            assert!(mistake.contains(said), "{mistake:?} does not say {said:?}");
        }
    }
}
