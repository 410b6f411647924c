//! The section of the connector, what it tells the server, and how it runs.

use std::sync::Arc;

use futures_util::FutureExt;
use turted_core::ConnectorState;
use turted_core::{ConnectorConfig, PushConnector};
use turted_rest::RestConfig;

use crate::support::{House, PASSWORD, WRONG, context, post};

fn read(section: &str) -> Result<RestConfig, String> {
    serde_json::from_str(section).map_err(|error| error.to_string())
}

#[test]
fn an_empty_section_has_the_defaults() {
    assert_eq!(RestConfig::TYPE, "rest");
    let config = read("{}").unwrap();
    assert_eq!((config.path.as_str(), config.ape), ("/push/", false));
    assert_eq!(config, RestConfig::default());
}

#[test]
fn an_unknown_key_is_refused_with_those_that_exist() {
    assert!(
        read(r#"{"pfad":"/"}"#)
            .unwrap_err()
            .starts_with("unknown field `pfad`, expected one of `path`, `answers`, `ape`")
    );
}

#[test]
fn a_path_begins_and_ends_with_a_slash() {
    let build = |path: &str| {
        let config = RestConfig {
            path: path.into(),
            ..RestConfig::default()
        };
        config.build().map(|_| ()).map_err(|error| error.to_string())
    };
    for good in ["/push/", "/", "/a/b-c_d.e~/"] {
        assert_eq!(build(good), Ok(()), "{good}");
    }
    for bad in [
        "", "push", "/push", "push/", "//", "/a//b/", "/{x}/", "/a?b/", "/ä/", "/a b/", "/%20/",
    ] {
        let error = build(bad).unwrap_err();
        let expected = format!(
            "path: {bad:?} must begin and end with a slash and hold letters, digits and - _ . ~ between single slashes, \
             e.g. \"/push/\""
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn backends_of_the_php_server_get_its_words_at_its_path() {
    let house = House::of_php();
    assert_eq!(house.endpoint.prefix, "/sse");
    let push = |auth: &str| {
        post(
            "/sse",
            &[],
            &format!(r#"{{"event":"A","auth":{{"password":"{auth}"}}}}"#),
        )
    };
    let taken = house.ask(push(PASSWORD));
    assert!(taken.starts_with("200") && taken.ends_with("| ok"), "{taken}");
    let denied = house.ask(push(WRONG));
    assert!(denied.starts_with("403") && denied.ends_with("FORBIDDEN"), "{denied}");
}

#[test]
fn the_server_learns_what_a_preflight_may_promise() {
    for (house, methods) in [
        (House::new(), "OPTIONS, POST"),
        (House::with_ape(), "GET, OPTIONS, POST"),
    ] {
        assert_eq!(house.endpoint.prefix, "/push/");
        assert_eq!(house.endpoint.max_body, 1024 * 1024);
        assert_eq!(house.endpoint.allow_methods, methods);
        assert_eq!(house.endpoint.allow_headers, "content-type, authorization");
    }
}

#[test]
fn it_runs_until_the_server_stops() {
    let (cx, trigger) = context(&Arc::default(), &Arc::default());
    let report = cx.report.clone();
    let mut connector = RestConfig::default().build().unwrap();
    let mut running = connector.run(cx);
    assert_eq!((&mut running).now_or_never(), None);
    assert_eq!(report.current(), ConnectorState::Running);
    trigger.fire();
    assert_eq!(running.now_or_never(), Some(Ok(())));
}
