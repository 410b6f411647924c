//! What flows in: locks for the two doors, sound and unsound, and secrets in right and wrong places. What flows out:
//! the lines a person would see, none of which holds a secret. Refuses to know: how a lock works.

use super::tests::{check, load};
use super::{Hash, Method, Secret};

#[test]
fn an_open_back_door_is_refused() {
    let refused = "t.toml:1:8: server.listen: 0.0.0.0:80 is more than this machine, and with [auth.backends] type \"accept_all\" \
                   anybody who reaches it may send events; set type = \"password\" or \"token\" there, or listen on 127.0.0.1, \
                   or write anywhere = true under [auth.backends] if something else keeps strangers away";
    let listen = "server.listen = \"0.0.0.0:80\"\n";
    check(listen, refused);
    check(&format!("{listen}[auth.backends]\ntype = \"accept_all\"\n"), refused);
    let clients = "[auth.clients]\ntype = \"accept_all\"\nanywhere = true\n[may.anyone]\njoin = [\"**\"]\n";
    for backends in [
        "type = \"accept_all\"\nanywhere = true",
        "type = \"password\"\npassword = \"x\"",
    ] {
        check(&format!("{listen}{clients}[auth.backends]\n{backends}\n"), "");
    }
    check(
        &format!("{listen}[auth.backends]\ntype = \"pasword\"\n"),
        "t.toml:3:1: auth.backends.type: must be one of \"accept_all\", \"password\", \"token\"; did you mean password?",
    );
    for loopback in [
        "127.0.0.1:1",
        "127.9.9.9:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
        "localhost:1",
    ] {
        check(&format!("server.listen = \"{loopback}\"\n"), "");
    }
}

#[test]
fn guards_of_the_doors() {
    let door = |rest: &str| format!("[auth.clients]\n{rest}");
    check(&door("typ = 1"), "t.toml:1:7: auth.clients.type: is missing");
    check(
        &door("type = 1"),
        "t.toml:2:1: auth.clients.type: must be a word in quotes, not a whole number",
    );
    check(
        &door("type = \"accept_all\"\nanywhre = true"),
        "t.toml:3:1: auth.clients.anywhre: unknown key; allowed are anywhere; did you mean anywhere?",
    );
    check(
        &door("type = \"password\""),
        "t.toml:1:7: auth.clients.password: is missing",
    );
    check(
        &door("type = \"password\"\npassword = \"\""),
        "t.toml:3:1: auth.clients.password: must not be empty",
    );
    check(
        &door("type = \"token\""),
        "t.toml:1:7: auth.clients.secret: is missing; hash \"hmac-sha256\" needs one",
    );
    check(
        &door("type = \"token\"\nsecret = \"s\"\nprefix = \"p\""),
        "t.toml:4:1: auth.clients.prefix: does not go with hash \"hmac-sha256\", which takes a secret",
    );
    check(
        &door("type = \"token\"\nhash = \"md5\"\nsecret = \"s\""),
        "t.toml:4:1: auth.clients.secret: goes with hash \"hmac-sha256\" only; the others take prefix and suffix",
    );
    check(
        &door("type = \"token\"\nhash = \"md5\""),
        "t.toml:1:7: auth.clients.prefix: is missing; without a secret prefix or suffix anybody can compute the token",
    );
    check(
        &door("type = \"token\"\nhash = \"sha-256\"\nsecret = 5"),
        "t.toml:3:1: auth.clients.hash: must be one of \"hmac-sha256\", \"md5\", \"sha1\", \"sha256\", \"sha512\"; did you mean sha256?
         t.toml:4:1: auth.clients.secret: must be a text in quotes, not a whole number",
    );
    check(
        "[auth.client]\ntype = \"x\"",
        "t.toml:1:7: auth.client: unknown key; allowed are clients, backends; did you mean clients?",
    );
    let salted = load(&door("type = \"token\"\nhash = \"sha512\"\nsuffix = \"s\""), &[], &[]).unwrap();
    let method = Method::Salted {
        hash: Hash::Sha512,
        prefix: None,
        suffix: Some(Secret::new("s")),
    };
    assert_eq!(salted.auth.clients, [method]);
}

#[test]
fn no_secret_is_ever_shown() {
    let secret = "hunter2-Geheim";
    let env = [
        ("PW", secret),
        ("TURTED_AUTH__BACKENDS__PASSWORD", "[\"hunter2-Geheim\""),
    ];
    for file in [
        "[auth.clients]\ntype = \"password\"\npassword = [\"hunter2-Geheim\"]",
        "[auth.clients]\ntype = \"password\"\npassword = hunter2-Geheim",
        "[auth.clients]\ntype = \"password\"\npassword = \"hunter2-Geheim",
        "[auth.clients]\ntype = \"password\"\npassword = { \"x\" = \"hunter2-Geheim\" }",
        "[auth.clients]\ntype = \"token\"\nsecret = \"hunter2-Geheim\"\nprefix = \"hunter2-Geheim\"",
        "[auth.clients]\ntype = \"token\"\nsecret = \"hunter2-Geheim${x\"",
        "[auth.clients]\ntype = \"token\"\nsecret = \"${hunter2-Geheim}\"",
        "[connectors.a]\ntype = \"rabbitmq\"\nurl = \"${PW}\"",
        "[connectors.a]\ntype = \"rabbitmq\"\nurl = \"amqps://u:hunter2-Geheim@h\"",
        "[connectors.a]\ntype = \"rabbitmq\"\nurl = \"amqp://h\"\npassword = \"hunter2-Geheim\"\nport = 5",
        "[server]\ndemo = \"hunter2-Geheim\"\nlisten = \"hunter2-Geheim\"",
    ] {
        let error = load(file, &env, &["auth.backends.password=hunter2-Geheim", "hunter2-Geheim"]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{file}\n{error}");
    }
    let config = load(
        r#"
[auth.clients]
type = "token"
hash = "sha1"
prefix = "hunter2"
suffix = "${PW}"
[auth.backends]
type = "token"
secret = "hunter2"
[connectors.a]
type = "rabbitmq"
url = "amqp://user:hunter2@host/vhost"
[connectors.b]
type = "rabbitmq"
url = "amqp://host"
password = "hunter2"
[connectors.c]
type = "rabbitmq"
url = "amqp://${PW}@host"
"#,
        &[("PW", secret)],
        &[],
    );
    let config = config.unwrap();
    let shown = config.to_toml_masked();
    assert!(!format!("{shown} {config:?}").contains("hunter2"), "{shown}");
    assert!(shown.contains("url = \"amqp://user:********@host/vhost\""), "{shown}");
    assert!(shown.contains("url = \"amqp://${PW}@host\""), "{shown}");
}

#[test]
fn a_public_server_says_who_may_come_and_what_they_may() {
    let rules = "this server is public, since server.origins is set: say who may join which channels. To let everybody join \
                 everything:\n[may.anyone]\njoin = [\"**\"]\nto let users join their own:\n[may.users]\njoin = [\"user.{user}\"]";
    let guard = "this server is public, since server.origins is set, and with [auth.clients] type \"accept_all\" whoever says \
                 \"adam\" hears what is meant for adam. To find out who somebody is:\n[auth.clients]\ntype = \"token\"\nsecret = \
                 \"${TURTED_SECRET}\"\nto believe everybody:\n[auth.clients]\ntype = \"accept_all\"\nanywhere = true";
    let public = "server.origins = [\"https://app.example.com\"]\n";
    let said = |text: &str| {
        let error =
            load(&format!("{public}{text}"), &[], &[]).map_or_else(|error| error.to_string(), |_| String::new());
        error
            .lines()
            .map(|line| format!("{}\n", line.trim_start()))
            .collect::<String>()
    };
    let door = "this server is public, since server.origins is set, and with [auth.backends] type \"accept_all\" whoever reaches \
                it may send events and use the server API. To let your backend in:\n[auth.backends]\ntype = \
                \"password\"\npassword = \"${TURTED_PUSH_PASSWORD}\"\nto let everybody in, since something else keeps \
                strangers away:\n[auth.backends]\ntype = \"accept_all\"\nanywhere = true";
    let at = "t.toml:1:8: server.origins: ";
    let (may, token) = ("[may.users]\n", "[auth.clients]\ntype = \"token\"\nsecret = \"x\"\n");
    assert_eq!(said(""), format!("{at}{rules}\n{at}{guard}\n{at}{door}\n"));
    let public = &format!("{public}auth.backends = {{ type = \"accept_all\", anywhere = true }}\n");
    let said = |text: &str| {
        let error =
            load(&format!("{public}{text}"), &[], &[]).map_or_else(|error| error.to_string(), |_| String::new());
        error
            .lines()
            .map(|line| format!("{}\n", line.trim_start()))
            .collect::<String>()
    };
    assert_eq!(said(token), format!("{at}{rules}\n"));
    assert_eq!(said(may), format!("{at}{guard}\n"));
    assert_eq!(said(&format!("{may}{token}")), "");
    assert_eq!(
        said(&format!(
            "{may}[auth.clients]\ntype = \"accept_all\"\nanywhere = true\n"
        )),
        ""
    );
}

#[test]
fn several_methods_are_looked_at_in_their_order_and_an_open_door_stands_alone() {
    let token = "[[auth.clients]]\ntype = \"token\"\nsecret = \"x\"\n";
    let password = "[[auth.clients]]\ntype = \"password\"\npassword = \"y\"\n";
    let config = load(&format!("{token}{password}"), &[], &[]).unwrap();
    assert_eq!(
        config.auth.clients,
        [Method::Hmac(Secret::new("x")), Method::Password(Secret::new("y"))]
    );
    check(
        &format!("{token}[[auth.clients]]\ntype = \"accept_all\"\n"),
        "t.toml:5:1: auth.clients.type: \"accept_all\" stands alone: whoever fails by another method would come in by this one",
    );
}
