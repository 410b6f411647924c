//! What `turted token` prints, and what the doors say to it.
//!
//! In: configurations and arguments. Out: tokens that the door takes, or a sentence. Refuses to know: how they are
//! made.

use super::*;
use crate::config::{Backend, Secret};
use futures_util::FutureExt;
use serde_json::Value;
use turted_core::{Brought, Visitor};

fn args(backends: bool) -> TokenArgs {
    TokenArgs {
        user: Some("adam".into()),
        backends,
        ttl: Duration::from_secs(3600),
        claim: Vec::new(),
        may: Vec::new(),
        join: Vec::new(),
        check: None,
        settings: ConfigArgs::default(),
    }
}

fn guarded() -> Config {
    let mut config = Config::default();
    config.auth.clients = vec![Method::Hmac(Secret::new("hush"))];
    config.auth.backends = vec![Backend::of(Method::Hmac(Secret::new("hush, too")))];
    config
}

fn verify(method: &Method, data: &Value, bearer: Option<&str>) -> bool {
    let authenticator = token(method, guarded().limits.core()).unwrap();
    let (brought, visitor) = (Brought::bearer(bearer), |brought| Visitor::new(data, brought));
    let verdict = turted_core::Authenticator::verify(&authenticator, &visitor(&brought)).now_or_never();
    matches!(verdict, Some(Ok(Some(_))))
}

#[test]
fn each_door_accepts_the_token_that_was_made_for_it() {
    let config = guarded();
    let data = serde_json::json!({"username": "adam", "token": issue(&args(false), &config).unwrap()});
    assert!(verify(&config.auth.clients[0], &data, None));
    assert!(!verify(&config.auth.backends[0].method, &data, None));
    let bearer = issue(&args(true), &config).unwrap();
    assert!(verify(&config.auth.backends[0].method, &Value::Null, Some(&bearer)));
}

#[test]
fn a_door_without_tokens_says_so() {
    let mut config = guarded();
    config.auth.clients = vec![Method::Password(Secret::new("hush"))];
    config.auth.backends = vec![Backend::default()];
    let says = |backends| issue(&args(backends), &config).unwrap_err().to_string();
    assert!(
        says(false).contains("[auth.clients] asks for a password"),
        "{}",
        says(false)
    );
    assert!(
        says(true).contains("[auth.backends] believes everybody"),
        "{}",
        says(true)
    );
    assert!(!says(false).contains("hush"));
}

#[test]
fn a_name_that_no_user_can_have_is_refused() {
    let mut args = args(false);
    args.user = Some(String::new());
    assert_eq!(
        issue(&args, &guarded()).unwrap_err().to_string(),
        "the name must not be empty"
    );
}

const SECRET: &str = "a secret of at least thirty-two bytes";

fn by_jwt(more: &str) -> Config {
    let text = format!("auth.clients = {{ type = \"jwt\", secret = \"{SECRET}\"{more} }}\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("turted.toml");
    std::fs::write(&file, text).unwrap();
    let sources = crate::config::Sources {
        file: Some(file),
        ..Default::default()
    };
    crate::Server::load(&sources).unwrap()
}

/// What is said of a token, and whether it would be taken.
fn checked(config: &Config, token: &str) -> (String, bool) {
    let args = args(false);
    let report = actix_web::rt::System::new().block_on(check::report(token, args.door(config), config));
    let report = report.unwrap();
    (report.lines.join("\n"), report.holds)
}

#[test]
fn a_jwt_says_what_was_asked_for_and_holds() {
    let config = by_jwt(", issuer = \"shop\", audience = [\"turted\", \"other\"]");
    let mut args = args(false);
    args.claim = vec!["org=acme".into(), "level=7".into(), "roles=[\"staff\"]".into()];
    args.may = vec!["join=room.**".into(), "join=news.*".into(), "publish=room.7".into()];
    args.join = vec!["room.7".into()];
    let token = issue(&args, &config).unwrap();
    let (said, holds) = checked(&config, &token);
    assert!(holds, "{said}");
    for line in [
        "✓ alg is HS256",
        "✓ the signature holds",
        "✓ iss is \"shop\"",
        "✓ aud is \"turted\"",
        "✓ user adam",
        "✓ may join room.** news.*; publish room.7",
        "✓ joins room.7",
    ] {
        assert!(said.lines().any(|one| one == line), "{line} in {said}");
    }
    assert!(!said.contains(SECRET));
}

#[test]
fn what_cannot_be_said_is_refused() {
    let config = by_jwt(", max_lifetime = \"1h\"");
    let refused = |change: fn(&mut TokenArgs)| {
        let mut args = args(false);
        change(&mut args);
        issue(&args, &config).unwrap_err().to_string()
    };
    let long = refused(|args| args.ttl = Duration::from_secs(3601));
    assert!(long.contains("max_lifetime"), "{long}");
    assert!(refused(|args| args.claim = vec!["org".into()]).contains("--claim org"));
    assert!(refused(|args| args.claim = vec!["exp=5".into()]).contains("exp"));
    assert!(refused(|args| args.may = vec!["jion=a".into()]).contains("jion"));
    assert!(refused(|args| args.may = vec!["join=**.a".into()]).contains("** at its end only"));
    assert!(refused(|args| args.join = vec![String::new()]).contains("join[0]"));
    let other = by_jwt(", user = \"{tenant}:{sub}\"");
    let why = issue(&args(false), &other).unwrap_err().to_string();
    assert!(why.contains("there is no tenant"), "{why}");
    let mail = by_jwt(", user = \"{email}\"");
    let (said, holds) = checked(&mail, &issue(&args(false), &mail).unwrap());
    assert!(holds && said.contains("✓ user adam"), "{said}");
}

#[test]
fn what_is_wrong_is_told_with_the_line_to_change() {
    let token = issue(&args(false), &by_jwt(", audience = \"shop\"")).unwrap();
    let (said, holds) = checked(&by_jwt(", audience = \"turted\""), &token);
    assert!(!holds);
    assert!(said.contains("✗ aud is \"shop\", expected is \"turted\""), "{said}");
    assert!(said.contains("[auth.clients]\n    audience = \"shop\""), "{said}");
    let (said, holds) = checked(&by_jwt(""), "00ff");
    assert!(!holds && said.contains("✗ it has 1 parts, not three"), "{said}");
}
