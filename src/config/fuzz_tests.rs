//! What flows in: configurations by somebody who slipped on the keyboard, or by nobody at all. What flows out: an
//! answer, every time, never a panic, and never a secret. Refuses to know: which answer.

use proptest::prelude::*;

use super::tests::load;

const SAMPLE: &str = include_str!("../../turted.toml");

/// Pieces that mean something to some layer.
const PIECES: [&str; 32] = [
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\\u0000",
    "\u{feff}",
    "${",
    "}",
    "$${A}",
    "${HOME}",
    "true",
    "-1",
    "1e400",
    "99999999999999999999",
    "2024-01-01",
    "inf",
    "type = \"token\"\n",
    "[auth.backends]\n",
    "[connectors.x]\n",
    "ü",
    "\u{1b}[31m",
    "\r",
];

fn mutated() -> impl Strategy<Value = String> {
    let change = (
        any::<prop::sample::Index>(),
        0_usize..12,
        prop::sample::select(&PIECES[..]),
    );
    prop::collection::vec(change, 1..12).prop_map(|changes| {
        let mut text: Vec<char> = SAMPLE.replace("\n#", "\n").chars().take(9_000).collect();
        if changes.len() % 2 == 0 {
            text = SAMPLE.chars().collect();
        }
        for (at, cut, piece) in changes {
            let at = at.index(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

fn answer(text: &str, env: &[(&str, &str)], sets: &[&str]) -> String {
    match load(text, env, sets) {
        Ok(config) => format!("{config:?}{}", config.to_toml_masked()),
        Err(error) => {
            assert!(!error.problems.is_empty(), "an error without a problem: {text}");
            error.to_string()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}", name in "[A-Za-z_]{0,30}", value in "\\PC{0,40}", set in "\\PC{0,60}") {
        let name = format!("TURTED_{name}");
        answer(&text, &[(&name, &value)], &[&set]);
    }

    #[test]
    fn a_slip_in_the_sample_is_answered(text in mutated()) {
        answer(&text, &[("HOME", "h")], &[]);
    }

    #[test]
    fn any_value_for_a_known_key_is_answered(
        key in prop::sample::select(vec![
            "server.listen", "server.workers", "clients.websocket", "clients.sockjs", "server.origins", "server.shutdown_timeout", "tls",
            "limits.push_bytes", "limits.ping", "limits.slow", "limits.connections", "history.age", "history.bytes",
            "auth", "auth.clients", "auth.backends.type", "observe.log", "connectors", "connectors.rest", "connectors.rest.type",
        ]),
        value in prop_oneof!["\\PC{0,20}", "[0-9]{1,30}", "[0-9.]{1,9} ?[a-zA-Z]{1,4}", "[\\[{\"].{0,12}[\\]}\"]"],
    ) {
        answer("", &[(&format!("TURTED_{}", key.replace('.', "__")), &value)], &[]);
        answer("", &[], &[&format!("{key}={value}")]);
        answer(&format!("{key} = {value}"), &[], &[]);
    }

    #[test]
    fn a_secret_in_the_wrong_shape_stays_secret(
        before in "[\\[{\"'= ]{0,3}",
        after in "[\\]}\"'= ]{0,3}",
        door in prop::sample::select(vec!["accept_all", "password", "token", "pasword"]),
        key in prop::sample::select(vec!["password", "secret", "prefix", "hash", "type"]),
    ) {
        let text = format!("[auth.clients]\ntype = \"{door}\"\n{key} = {before}xQ7-hidden{after}\n");
        let set = format!("auth.backends.{key}={before}xQ7-hidden{after}");
        prop_assert!(!answer(&text, &[], &[&set]).contains("hidden"));
        prop_assert!(!answer("", &[("TURTED_AUTH__CLIENTS__SECRET", &set)], &[&set]).contains("hidden"));
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
    let deep = 50_000;
    for text in [
        format!("a = {}", "[".repeat(deep)),
        format!("a = {}", "{a=".repeat(deep)),
        format!("[{}a]", "a.".repeat(deep)),
        format!("{}a = 1", "a.".repeat(deep)),
    ] {
        answer(
            &text,
            &[("TURTED_A__B", &text)],
            &[&text, &format!("{}a=1", "a.".repeat(deep))],
        );
    }
}
