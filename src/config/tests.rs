//! What flows in: a file, variables and flags, right and wrong. What flows out: the lines a person would see. Refuses
//! to know: how they come about.

use std::sync::Arc;

use serde::Deserialize;

use super::*;

/// What the registry would do with its two connectors.
pub(super) fn registry(section: &Section) -> Result<(), Vec<Problem>> {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rest {
        #[serde(default, rename = "path")]
        _path: Option<String>,
        #[serde(default, rename = "answers")]
        _answers: Option<String>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rabbit {
        url: Url,
        #[serde(default)]
        password: Option<Secret>,
        #[serde(default, rename = "prefetch")]
        _prefetch: Option<u16>,
        #[serde(default, rename = "bind")]
        _bind: Vec<Bind>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bind {
        #[serde(rename = "exchange")]
        _exchange: String,
        #[serde(default, rename = "kind")]
        _kind: Kind,
    }
    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        #[default]
        Topic,
        Fanout,
    }
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    struct Url(String);
    impl TryFrom<String> for Url {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            if text.starts_with("amqp://") {
                Ok(Url(text))
            } else {
                Err(format!("{text} does not begin with amqp://"))
            }
        }
    }
    match section.kind.as_str() {
        "rest" => section.parse::<Rest>().map(drop),
        "rabbitmq" => {
            let rabbit = section.parse::<Rabbit>()?;
            if rabbit.url.0.contains('@') && rabbit.password.is_some() {
                return Err(vec![section.problem("password", "is in the url already")]);
            }
            Ok(())
        }
        _ => Err(vec![section.unknown_kind(&["rest", "rabbitmq"])]),
    }
}

fn pairs(env: &[(&str, &str)]) -> Vec<(String, String)> {
    env.iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

/// Any dialect would do.
pub(super) fn registries() -> Registries<'static> {
    Registries {
        connectors: &registry,
        clients: &|_| Ok(()),
        responders: &|_| Ok(()),
        engines: &|_| Ok(()),
    }
}

pub(super) fn load(text: &str, env: &[(&str, &str)], sets: &[&str]) -> Result<Config, ConfigError> {
    let sets = sets.iter().map(|set| (*set).to_owned()).collect();
    let sources = Sources {
        file: None,
        env: pairs(env),
        sets,
    };
    assemble(Some((&Arc::from("t.toml"), text)), &sources, registries())
}

/// The file alone, and the lines it should be answered with.
#[track_caller]
pub(super) fn check(text: &str, expected: &str) {
    check_all(text, &[], &[], expected);
}

#[track_caller]
fn check_all(text: &str, env: &[(&str, &str)], sets: &[&str], expected: &str) {
    let got = load(text, env, sets).map_or_else(|error| error.to_string(), |_| String::new());
    let expected = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n");
    assert!(got == expected, "got:\n{got}\n\nexpected:\n{expected}\n");
}

#[test]
fn nothing_at_all_is_the_default() {
    assert_eq!(load("", &[], &[]), Ok(Config::default()));
    let config = Config::default();
    assert_eq!(config.connectors["rest"].kind, "rest");
}

#[test]
fn many_mistakes_are_reported_together_in_reading_order() {
    check(
        r#"
[server]
listen = "nowhere"
wrokers = 4
demo = "yes"

[limits]
outbox_byte = 12
ping = 25
header_timeout = "soon"
slow = "cloze"
messages_burst = -1
message_bytes = "64 parsec"
connections = 1.5
name_bytes = 201

[histroy]
age = "1m"

[connectors.rabbit]
type = "rabbitmq"
"#,
        r#"
t.toml:3:1: server.listen: must be an IP address and a port, such as "127.0.0.1:7117", "0.0.0.0:80" or "[::]:7117"
t.toml:4:1: server.wrokers: unknown key; allowed are listen, workers, static_dir, demo, origins, proxies, shutdown_timeout, loglevel; did you mean workers?
t.toml:5:1: server.demo: must be true or false, not a text
t.toml:8:1: limits.outbox_byte: unknown key; allowed are message_bytes, push_bytes, json_depth, name_bytes, channels_per_connection, messages_per_second, messages_burst, bad_messages, outbox_bytes, outbox_frames, slow, outbox_total, parked_bytes, connections, connections_per_address, bodies_total, requests_per_connection, header_timeout, ident, ping; did you mean outbox_bytes?
t.toml:9:1: limits.ping: must be a duration with its unit, such as "120s" or "2m", not a whole number
t.toml:10:1: limits.header_timeout: must be a duration with its unit, such as "120s" or "2m"
t.toml:11:1: limits.slow: must be one of "close", "drop"; did you mean close?
t.toml:12:1: limits.messages_burst: must be a whole number from 0 to 4294967295
t.toml:13:1: limits.message_bytes: must be a size such as "64 KiB" or "1 MiB", or a number of bytes
t.toml:14:1: limits.connections: must be a whole number, zero or more, not a number with a fraction
t.toml:15:1: limits.name_bytes: must be at most 200
t.toml:17:2: histroy: unknown key; allowed are server, clients, tls, limits, history, auth, may, observe, cluster, connectors, responders; did you mean history?
t.toml:20:13: connectors.rabbit.url: is missing
"#,
    );
}

#[test]
fn syntax_errors_name_their_lines() {
    check(
        "[server]\nlisten = \nworkers = = 3\n",
        "t.toml:2:10: not valid TOML: string values must be quoted, expected literal string
         t.toml:3:11: not valid TOML: extra `=`, expected nothing
         t.toml:3:13: not valid TOML: unexpected key or value, expected newline, `#`",
    );
}

#[test]
fn sections_of_the_wrong_shape() {
    check(
        "server = 5\nauth = true\nconnectors = []\nlisten = 3",
        "t.toml:1:1: server: must be a table, not a whole number
         t.toml:2:1: auth: must be a table, not true or false
         t.toml:3:1: connectors: must be a table, not a list
         t.toml:4:1: listen: unknown key; allowed are server, clients, tls, limits, history, auth, may, observe, cluster, connectors, responders",
    );
    check("[[server]]\n", "t.toml:1:3: server: must be a table, not a list");
    check(
        "limits.ping = 2024-01-01",
        "t.toml:1:8: limits.ping: must be a duration with its unit, such as \"120s\" or \"2m\", not a date",
    );
    check(
        "limits.ping = 99999999999999999999",
        "t.toml:1:8: limits.ping: this number is too large",
    );
    check(
        "\"a\\u001B\" = 1",
        "t.toml:1:1: \"a\\u{1b}\": unknown key; allowed are server, clients, tls, limits, history, auth, may, observe, cluster, connectors, responders",
    );
}

#[test]
fn values_out_of_range_or_at_odds() {
    check(
        r#"
[server]
origins = ["https://app.example.com", "app.example.com", "https://EXAMPLE.com/", "https://*.example.com:8443", "*", 5]
loglevel = "loud"
static_dir = "no/such/folder"
workers = 5000
[limits]
push_bytes = "2 MiB"
outbox_bytes = "1 MiB"
ping = "0s"
json_depth = 0
[history]
age = "99years"
[tls]
cert = "no/such/file"
[clients]
websocket = "ws"
sockjs = { path = "/poll/x" }
events = ""
php = { enabled = "no" }
polls = { path = 7 }
other = { type = "nobody" }
lonely = {}
"#,
        r#"
t.toml:3:1: server.origins: "app.example.com" is no origin; write "https://app.example.com" (scheme, host in small letters, perhaps a port, nothing after it), "https://*.example.com", "null" or "file://" for pages without a host, "app://name" for an app's own scheme, or "*"
t.toml:3:1: server.origins: "https://EXAMPLE.com/" is no origin; write "https://app.example.com" (scheme, host in small letters, perhaps a port, nothing after it), "https://*.example.com", "null" or "file://" for pages without a host, "app://name" for an app's own scheme, or "*"
t.toml:3:117: server.origins: must be a text in quotes, not a whole number
t.toml:4:1: server.loglevel: must be off, error, warn, info, debug, trace, or a filter such as "info,turted::connection=debug"
t.toml:5:1: server.static_dir: there is no folder no/such/folder
t.toml:6:1: server.workers: must be at most 1024
t.toml:9:1: limits.outbox_bytes: must be at least limits.push_bytes (2 MiB), or the largest event would not fit
t.toml:10:1: limits.ping: must be between 1s and 1h
t.toml:11:1: limits.json_depth: must be at least 1
t.toml:13:1: history.age: must be at most a year
t.toml:14:2: tls.key: is missing
t.toml:17:1: clients.websocket: must be a path such as "/ws": a slash, then letters, digits and - _ . ~ /
t.toml:18:12: clients.sockjs.path: is at, above or below the path of clients.polls; choose another one
t.toml:20:9: clients.php.enabled: must be true or false, not a text
t.toml:21:11: clients.polls.path: must be a text in quotes, not a whole number
t.toml:23:1: clients.lonely.type: is missing
"#,
    );
    check(
        "clients.websocket.path = \"/metrics\"",
        "t.toml:1:19: clients.websocket.path: /metrics is taken by [observe]; choose another path or turn that off",
    );
    check("clients.websocket.path = \"/metrics\"\nobserve.metrics = false", "");
    check("clients.sockjs.path = \"/poll/x\"\nclients.polls.enabled = false", "");
    check(
        "clients.sockjs.path = \"/poll/x\"",
        "t.toml:1:16: clients.sockjs.path: is at, above or below the path of clients.polls; choose another one",
    );
}

#[test]
fn all_outboxes_together_hold_at_least_what_one_may() {
    check(
        "limits.outbox_total = \"1 MiB\"\nlimits.outbox_bytes = \"2 MiB\"",
        "t.toml:1:8: limits.outbox_total: must be at least limits.outbox_bytes (2 MiB), which one client may have",
    );
}

#[test]
fn a_section_changes_what_it_names_and_one_of_another_type_takes_the_place() {
    let text = r#"
[clients.websocket]
path = "/live"
[clients.sockjs]
client = "https://cdn.example/sockjs.min.js"
[clients.second]
type = "polls"
[clients.polls]
path = "/p"
[clients.php]
type = "websocket"
path = "/php"
[connectors.rest]
enabled = false
"#;
    let config = load(text, &[], &[]).unwrap();
    let at = |name: &str| {
        let client = &config.clients[name];
        (client.section.kind.as_str(), client.path.as_deref().unwrap_or_default())
    };
    assert_eq!(at("websocket"), ("websocket", "/live"));
    assert_eq!(at("second"), ("polls", "/poll"), "the path of its type");
    assert_eq!(at("php"), ("websocket", "/php"));
    let shown = config.to_toml_masked();
    for line in [
        "client = \"https://cdn.example/sockjs.min.js\"\ndialect = \"classic\"",
        "recovery = true",
        "[connectors.rest]\nenabled = false\ntype = \"rest\"",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(config.hints, []);
}

#[test]
fn the_flat_keys_of_before_mean_what_they_meant_and_say_what_to_write_instead() {
    let text = r#"
[clients]
websocket = "/live"
events = ""
php_events = "/stream"
socketio_recovery = false
sockjs_client = "https://cdn.example/s.js"
[clients.polls]
path = "/p"
"#;
    let config = load(text, &[], &["clients.sockjs=/x"]).unwrap();
    let hints: Vec<String> = config.hints.iter().map(ToString::to_string).collect();
    assert_eq!(
        hints,
        [
            "t.toml:3:1: clients.websocket: is written [clients.websocket] path = \"/live\" from now on",
            "t.toml:4:1: clients.events: is written [clients.events] enabled = false from now on",
            "--set clients.sockjs: is written [clients.sockjs] path = \"/x\" from now on",
            "t.toml:5:1: clients.php_events: is written [clients.php] path = \"/stream\" from now on",
            "t.toml:6:1: clients.socketio_recovery: is written [clients.socketio] recovery = false from now on",
            "t.toml:7:1: clients.sockjs_client: is written [clients.sockjs] client = \"https://cdn.example/s.js\" and \
             [clients.sockjs_native] client = \"https://cdn.example/s.js\" from now on",
        ]
    );
    let new = r#"
[clients]
websocket.path = "/live"
events.enabled = false
sockjs = { path = "/x", client = "https://cdn.example/s.js" }
php.path = "/stream"
socketio.recovery = false
sockjs_native.client = "https://cdn.example/s.js"
polls.path = "/p"
"#;
    let new = load(new, &[], &[]).unwrap();
    assert_eq!(config.clients, new.clients);
    check(
        "clients.socketio_recovery = false\nclients.socketio.recovery = true",
        "t.toml:1:9: clients.socketio_recovery: is said by clients.socketio.recovery as well; take this one out",
    );
}

#[test]
fn connectors_answer_for_their_own_settings() {
    check(
        r#"
[connectors.rest]
type = "rset"
[connectors."Not good"]
type = "rest"
[connectors.empty]
[connectors.a]
type = "rabbitmq"
url = "amqp://u:p@h"
password = "x"
[connectors.b]
type = "rabbitmq"
url = "amqp://h"
prefetch = 70000
durable = true
[[connectors.b.bind]]
exchange = "e"
kind = "topik"
[[connectors.b.bind]]
kind = "fanout"
exchnge = "e"
"#,
        r#"
t.toml:3:1: connectors.rest.type: must be one of "rest", "rabbitmq"; did you mean rest?
t.toml:4:13: connectors."Not good": such a name may hold only a-z, 0-9, _ and -
t.toml:6:13: connectors.empty.type: is missing
t.toml:10:1: connectors.a.password: is in the url already
t.toml:14:1: connectors.b.prefetch: must be a whole number from 0 to 65535
t.toml:15:1: connectors.b.durable: unknown key; allowed are url, password, prefetch, bind
t.toml:18:1: connectors.b.bind.kind: must be one of "topic", "fanout"; did you mean topic?
t.toml:19:1: connectors.b.bind.exchange: is missing
t.toml:21:1: connectors.b.bind.exchnge: unknown key; allowed are exchange, kind; did you mean exchange?
"#,
    );
}

#[test]
fn flags_go_before_environment_before_file_before_defaults() {
    let file = "[limits]\nping = \"11s\"\nbad_messages = 1\nslow = \"drop\"";
    let env = [
        ("TURTED_LIMITS__PING", "12s"),
        ("turted_limits__bad_messages", "2"),
        ("TURTED_SERVER__ORIGINS", r#"["https://a.example", "*"]"#),
        ("TURTED_SERVER__LISTEN", "127.0.0.1:80"),
        ("TURTED_AUTH__BACKENDS__TYPE", "password"),
        ("TURTED_AUTH__BACKENDS__PASSWORD", "007"),
        (
            "TURTED_AUTH__CLIENTS",
            r#"{ type = "password", password = "${literal}" }"#,
        ),
        ("TURTED_CONNECTORS__REST__PATH", "/in"),
        ("TURTED_MAY__ANYONE__JOIN", "[\"**\"]"),
        ("TURTED_LOGLEVEL", "no matter"),
        ("TURTED_LISTEN", "no matter"),
        ("TURTED_CONFIG", "no matter"),
        ("TURTED", "no matter"),
        ("ÄÖÜTED___", "no matter"),
    ];
    let config = load(
        file,
        &env,
        &["limits.ping=13s", "clients.websocket = /x", "observe.log=true"],
    )
    .unwrap();
    assert_eq!(config.limits.ping.as_secs(), 13);
    assert_eq!(config.limits.bad_messages, 2);
    assert_eq!(config.limits.slow, Slow::Drop);
    assert_eq!(config.server.origins, ["https://a.example", "*"]);
    assert_eq!(config.server.listen.port(), 80);
    assert_eq!(
        config.auth.backends,
        [Backend::of(Method::Password(Secret::new("007")))]
    );
    assert_eq!(config.auth.clients, [Method::Password(Secret::new("${literal}"))]);
    assert!(config.observe.log);
    assert!(config.to_toml_masked().contains("path = \"/in\""));
}

#[test]
fn mistakes_in_variables_and_flags_are_found_where_they_were_made() {
    check_all(
        "",
        &[
            ("TURTED_LIMITS__PING", "120"),
            ("TURTED_LIMITS__PONG", "1s"),
            ("TURTED_LIMITS____X", "1s"),
            ("TURTED_SERVER__LISTEN__X", "1"),
            ("TURTED_HISTORY__COUNT", "many"),
            ("TURTED_CONNECTORS__MQ__URL", "amqp://h"),
        ],
        &[
            "server.demo=maybe",
            "hunter2",
            "=x",
            "limits..ping=1s",
            "observe.log=1",
            "server.origins=[1, \"*\"]",
        ],
        r#"
TURTED_CONNECTORS__MQ__URL: connectors.mq.type: is missing
TURTED_HISTORY__COUNT: history.count: must be a whole number, zero or more, not a text
TURTED_LIMITS__PING: limits.ping: must be a duration with its unit, such as "120s" or "2m", not a whole number
TURTED_LIMITS__PONG: limits.pong: unknown key; allowed are message_bytes, push_bytes, json_depth, name_bytes, channels_per_connection, messages_per_second, messages_burst, bad_messages, outbox_bytes, outbox_frames, slow, outbox_total, parked_bytes, connections, connections_per_address, bodies_total, requests_per_connection, header_timeout, ident, ping; did you mean ping?
TURTED_LIMITS____X: the name must look like TURTED_SECTION__KEY, with two underscores between the levels
TURTED_SERVER__LISTEN__X: server.listen: must be an IP address and a port, such as "127.0.0.1:7117", "0.0.0.0:80" or "[::]:7117", not a table
--set (number 2): must be written as section.key=value, as in --set server.listen=0.0.0.0:7117
--set (number 3): must be written as section.key=value, as in --set server.listen=0.0.0.0:7117
--set (number 4): must be written as section.key=value, as in --set server.listen=0.0.0.0:7117
--set observe.log: must be true or false, not a whole number
--set server.demo: must be true or false, not a text
--set server.origins: must be a text in quotes, not a whole number
"#,
    );
}

#[test]
fn underscores_find_dashed_connectors() {
    let file = "[connectors.my-rest]\ntype = \"rest\"\n";
    let config = load(file, &[("TURTED_CONNECTORS__MY_REST__PATH", "/x")], &[]).unwrap();
    assert_eq!(config.connectors.keys().collect::<Vec<_>>(), ["my-rest", "rest"]);
}

#[test]
fn variables_in_texts() {
    let file = "[auth.backends]\ntype = \"${TYPE}\"\npassword = \"a${PW}\"\n";
    let config = load(file, &[("TYPE", "password"), ("PW", "b")], &[]).unwrap();
    assert_eq!(config.auth.backends, [Backend::of(Method::Password(Secret::new("ab")))]);
    check(
        "[auth.clients]\ntype = \"password\"\npassword = \"${NOPE}\"\n[server]\nlisten = \"${HOST}:80\"\norigins = [\"${A\"]\n",
        r#"
t.toml:3:1: auth.clients.password: the environment variable NOPE is not set
t.toml:5:1: server.listen: the environment variable HOST is not set
t.toml:6:12: server.origins: "${" must be followed by the name of an environment variable and "}"; write "$${" for a plain "${"
"#,
    );
}

#[test]
fn what_is_shown_reads_back() {
    let config = Config::default();
    let shown = config.to_toml_masked();
    assert!(
        shown.contains("push_bytes = \"1 MiB\"") && shown.contains("age = \"2m\""),
        "{shown}"
    );
    assert_eq!(load(&shown, &[], &[]), Ok(config));
}
