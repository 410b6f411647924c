//! What flows in: backends and connectors with bounds, sound and unsound. What flows out: what they may, or the lines a
//! person would see. Refuses to know: who keeps whom to it.

use turted_core::{Api, ChannelName, Limits, Target, UserName};

use super::tests::{check, load};
use super::{Backend, Config};

fn channel(name: &str) -> Target {
    Target::Channel(ChannelName::parse(name, &Limits::default()).unwrap())
}

fn user(name: &str) -> Target {
    Target::User(UserName::parse(name, &Limits::default()).unwrap())
}

const SHOP: &str = "[[auth.backends]]\nname = \"shop\"\ntype = \"password\"\npassword = \"x\"\n";

#[test]
fn a_backend_that_says_none_of_the_four_may_everything_and_one_that_says_any_only_that() {
    let backends = |text: &str| load(text, &[], &[]).unwrap().auth.backends;
    let whole = &backends(&SHOP.replace("name = \"shop\"\n", ""))[0];
    assert_eq!((whole.scope(), whole.api()), (None, Api::All));
    let named = backends(SHOP)[0].scope().unwrap();
    assert_eq!((&*named.name, named.api), ("the backend shop", Api::All));
    assert_eq!(named.breach(&[channel("a.b"), user("a@b.c"), Target::Everybody]), None);
    let single = &backends("[auth.backends]\ntype = \"accept_all\"\napi = \"read\"\n")[0];
    assert_eq!(single.api(), Api::Read);
    assert_eq!(single.scope().unwrap().breach(&[channel("a")]), Some(&channel("a")));
    let two = backends(&format!(
        "{SHOP}push = [\"shop.**\"]\nusers = [\"*\"]\n[[auth.backends]]\ntype = \"password\"\npassword = \"y\"\neverybody = true\n"
    ));
    let scope = two[0].scope().unwrap();
    assert_eq!((&*scope.name, scope.api), ("the backend shop", Api::None));
    assert_eq!(scope.breach(&[channel("shop.a"), user("adam@shop.example")]), None);
    assert!(scope.breach(&[Target::Everybody]).is_some());
    let scope = two[1].scope().unwrap();
    assert_eq!(scope.breach(&[Target::Everybody]), None);
    assert!(scope.breach(&[user("adam")]).is_some());
    assert_eq!(Config::default().auth.backends, [Backend::default()]);
}

#[test]
fn two_of_one_name_are_one_backend_whose_secret_changes() {
    let old = SHOP.replace("\"x\"", "\"old\"");
    check(&format!("{SHOP}{old}"), "");
    check(&format!("{SHOP}push = [\"a\"]\n{old}push = [\"a\"]\n"), "");
    let forgotten = "t.toml:7:1: auth.backends.name: \"shop\" is there twice, with other bounds; two of one name must have the same";
    check(&format!("{SHOP}push = [\"a\"]\n{old}"), forgotten);
}

#[test]
fn what_is_wrong_with_bounds_is_said_and_opens_nothing() {
    let at = |line: &str| format!("{SHOP}{line}\n");
    check(
        &at("push = \"shop.**\""),
        "t.toml:5:1: auth.backends.push: must be a list, not a text",
    );
    check(
        &at("users = [\"{user}\"]"),
        "t.toml:5:1: auth.backends.users: has \"{user}\", which asks who somebody is; a backend or a connector is nobody: write names and *",
    );
    check(
        &at("api = \"write\""),
        "t.toml:5:1: auth.backends.api: must be one of \"none\", \"read\", \"all\"",
    );
    check(
        &at("everybody = 1"),
        "t.toml:5:1: auth.backends.everybody: must be true or false, not a whole number",
    );
    check(
        &SHOP.replace("\"shop\"", "\"Shop 1\""),
        "t.toml:2:1: auth.backends.name: may hold only a-z, 0-9, _ and -, and 64 of them",
    );
    check(
        &format!("{SHOP}[[auth.backends]]\ntype = \"accept_all\"\n"),
        "t.toml:6:1: auth.backends.type: \"accept_all\" stands alone: whoever fails by another entry would come in by this one",
    );
    check(
        "auth.backends = []",
        "t.toml:1:6: auth.backends: must have an entry; without any nobody could push",
    );
}

#[test]
fn connectors_have_the_same_keys_but_no_api() {
    let rest = "[connectors.rest]\ntype = \"rest\"\n";
    let config = load(&format!("{rest}push = [\"shop.*\"]\n"), &[], &[]).unwrap();
    let bounds = config.connectors["rest"].bounds.as_ref().unwrap();
    let scope = bounds.scope("the connector rest".to_owned());
    assert_eq!(scope.breach(&[channel("shop.a")]), None);
    assert!(scope.breach(&[user("adam")]).is_some());
    assert!(load(rest, &[], &[]).unwrap().connectors["rest"].bounds.is_none());
    let error = load(&format!("{rest}api = \"all\"\n"), &[], &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("connectors.rest.api: unknown key"), "{error}");
}

#[test]
fn bounds_are_shown_as_they_were_written() {
    let text =
        format!("{SHOP}push = [\"shop.**\"]\napi = \"read\"\n[connectors.rest]\ntype = \"rest\"\neverybody = true\n");
    let shown = load(&text, &[], &[]).unwrap().to_toml_masked();
    assert!(!shown.contains("\"x\""), "{shown}");
    let again: toml::Table = shown.parse().unwrap();
    let backend = &again["auth"]["backends"][0];
    assert_eq!(backend["name"].as_str(), Some("shop"));
    assert_eq!(backend["push"][0].as_str(), Some("shop.**"));
    assert_eq!(backend["api"].as_str(), Some("read"));
    assert!(backend.get("users").is_none());
    assert_eq!(again["connectors"]["rest"]["everybody"].as_bool(), Some(true));
}
