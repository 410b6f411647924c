//! The program on the command line: what it prints, where, and with which exit code.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::server::turted;
use crate::harness::{Server, json, to_channel, within};

/// Runs it to its end.
async fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::from(turted(folder));
    command.args(arguments).kill_on_drop(true);
    within(&format!("turted {}", arguments.join(" ")), command.output())
        .await
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Checks a configuration of these lines.
async fn check(text: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("my.toml"), text).unwrap();
    run(folder.path(), &["check", "--config", "my.toml"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_the_effective_configuration_without_secrets() {
    let output =
        check("[limits]\nping = \"7s\"\n\n[auth.backends]\ntype = \"password\"\npassword = \"s3cret\"\n").await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    assert!(text.contains("ping = \"7s\"") && text.contains("push_bytes"), "{text}");
    assert!(!text.contains("s3cret") && text.contains("****"), "{text}");
    let shown: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(shown.contains_key("server") && shown.contains_key("history"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_every_mistake_with_file_line_and_key() {
    let output = check(
        "[server]\nlisten = \"nowhere\"\n\n[limits]\nouttbox_bytes = 5\nping = 5\n\n[auth.clients]\ntype = \"magic\"\n",
    )
    .await;
    assert!(!output.status.success());
    let text = err(&output);
    for part in [
        "my.toml:2",
        "server.listen",
        "my.toml:5",
        "limits.outtbox_bytes",
        "outbox_bytes",
        "my.toml:6",
        "limits.ping",
        "my.toml:9",
        "auth.clients",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_mistake_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("turted.toml"),
        "[connectors.x]\ntype = \"smoke-signals\"\n",
    )
    .unwrap();
    let output = run(folder.path(), &["serve"]).await;
    assert!(!output.status.success());
    let text = err(&output);
    assert!(
        text.contains("turted.toml:2") && text.contains("connectors.x.type") && text.contains("rest"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_said_in_one_line() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("[server]\nlisten = \"{}\"\n", server.address);
    std::fs::write(folder.path().join("turted.toml"), listen).unwrap();
    let output = run(folder.path(), &["serve"]).await;
    assert!(!output.status.success());
    let text = format!("{}{}", out(&output), err(&output));
    assert!(text.contains(&server.address), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

/// What `check` says to a configuration that it must refuse.
async fn refused(text: &str) -> String {
    let output = check(text).await;
    assert!(!output.status.success(), "{text}\nwas taken");
    let said = err(&output);
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_what_two_sections_cannot_share() {
    let queue = |url: &str| format!("type = \"rabbitmq\"\nurl = \"{url}\"\nqueue = \"orders\"\n");
    let stream =
        |extra: &str| format!("type = \"redis\"\nurl = \"redis://localhost\"\nstreams = [\"orders\"]\n{extra}\n");
    let file = |state: &str| format!("type = \"file\"\npaths = [\"*.log\"]\nstate_file = \"{state}\"\n");
    let door = |path: &str| format!("type = \"rest\"\npath = \"{path}\"\n");
    let tcp = |address: &str| format!("type = \"tcp\"\naddress = \"{address}\"\n");
    for (first, second, key, what) in [
        (
            queue("amqp://a:s3cret@localhost"),
            queue("amqp://b:s3cret@localhost:5672/%2f"),
            "queue",
            "queue \"orders\"",
        ),
        (
            stream(""),
            stream("consumer = \"other\""),
            "group",
            "group \"turted\" of stream \"orders\"",
        ),
        (file("a.state"), file("./a.state"), "state_file", "a.state"),
        (door("/in/"), door("/in/"), "path", "/in/"),
        (door("/in/"), door("/in/further/"), "path", "/in/"),
        (
            tcp("127.0.0.1:7118"),
            tcp("127.0.0.1:7118"),
            "address",
            "127.0.0.1:7118",
        ),
    ] {
        let said = refused(&format!("[connectors.one]\n{first}\n[connectors.two]\n{second}")).await;
        for part in [&format!("connectors.two.{key}"), "my.toml:", what, "connectors.one"] {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
        assert!(!said.contains("s3cret"), "{said}");
        let said = refused(&format!(
            "[connectors.one]\n{first}\n[connectors.two]\nenabled = true\n{second}"
        ))
        .await;
        assert!(said.contains("connectors.two"), "{said}");
        let output = check(&format!(
            "[connectors.one]\n{first}\n[connectors.two]\nenabled = false\n{second}"
        ))
        .await;
        assert!(output.status.success(), "{}", err(&output));
    }
    let output = check(&format!(
        "[connectors.one]\n{}\n[connectors.two]\n{}",
        stream(""),
        stream("group = \"g\"")
    ))
    .await;
    assert!(output.status.success(), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_doors_that_hide_what_the_server_has_there() {
    for path in ["/", "/health/"] {
        let said = refused(&format!("[connectors.one]\ntype = \"rest\"\npath = \"{path}\"\n")).await;
        assert!(
            said.contains("connectors.one.path") && said.contains("/health/live"),
            "{said}"
        );
    }
    let said = refused("[connectors.one]\ntype = \"tcp\"\naddress = \"127.0.0.1:7117\"\n").await;
    assert!(
        said.contains("connectors.one.address") && said.contains("server.listen"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_entrances_that_hide_a_door_or_what_everybody_loads() {
    for path in ["/push", "/push/x", "/health", "/health/live", "/turted.js"] {
        let said = refused(&format!("[clients.second]\ntype = \"websocket\"\npath = \"{path}\"\n")).await;
        assert!(
            said.contains("clients.second.path") && said.contains("at, above or below"),
            "{path}: {said}"
        );
    }
    let said = refused("[connectors.two]\ntype = \"rest\"\npath = \"/ws/\"\n").await;
    assert!(
        said.contains("/ws is at, above or below /ws/, the path of connectors.two"),
        "{said}"
    );
    // Pushes of the PHP dialect are POSTed to where its events come from.
    let output = check("[connectors.php]\ntype = \"rest\"\npath = \"/sse\"\nanswers = \"php\"\n").await;
    assert!(output.status.success(), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_a_wait_that_is_none() {
    let said = refused("[connectors.one]\ntype = \"stdin\"\nstart_after = 5\n").await;
    assert!(
        said.contains("my.toml:3") && said.contains("connectors.one.start_after"),
        "{said}"
    );
    let said = refused("[connectors.one]\ntype = \"rest\"\nstart_after = \"5s\"\n").await;
    assert!(
        said.contains("my.toml:3") && said.contains("connectors.one.start_after"),
        "{said}"
    );
    let said = refused("[clients.websocket]\nstart_after = \"5s\"\n").await;
    assert!(said.contains("start_after"), "{said}");
    let output = check("[connectors.one]\ntype = \"stdin\"\nstart_after = \"5s\"\n").await;
    assert!(out(&output).contains("start_after = \"5s\""), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_a_certificate_and_a_key_that_do_not_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let [made, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    let put = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    put("cert.pem", made.cert.pem());
    put("key.pem", made.signing_key.serialize_pem());
    put("other.pem", other.signing_key.serialize_pem());
    put("text.pem", "no certificate".into());
    for (cert, key, wrong) in [
        ("cert.pem", "key.pem", None),
        ("cert.pem", "other.pem", Some(("tls.key", "other.pem"))),
        ("cert.pem", "text.pem", Some(("tls.key", "text.pem"))),
        ("text.pem", "key.pem", Some(("tls.cert", "text.pem"))),
    ] {
        put("turted.toml", format!("[tls]\ncert = \"{cert}\"\nkey = \"{key}\"\n"));
        let output = run(folder.path(), &["check"]).await;
        let said = err(&output);
        match wrong {
            None => assert!(output.status.success(), "{said}"),
            Some((key, file)) => assert!(
                !output.status.success() && said.contains(key) && said.contains(file),
                "{key} {file}: {said}"
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("my.toml"),
        "[limits]\nping = \"7s\"\nbad_messages = 7\njson_depth = 7\n",
    )
    .unwrap();
    let mut command = Command::from(turted(folder.path()));
    command
        .env("TURTED_LIMITS__BAD_MESSAGES", "8")
        .env("TURTED_LIMITS__JSON_DEPTH", "8");
    command.args(["check", "--config", "my.toml", "--set", "limits.json_depth=9"]);
    let output = within("turted check", command.output()).await.unwrap();
    let shown: toml::Table = out(&output)
        .parse()
        .unwrap_or_else(|error| panic!("{error}: {}", err(&output)));
    let limits = &shown["limits"];
    assert_eq!(
        (limits["ping"].as_str(), limits["bad_messages"].as_integer()),
        (Some("7s"), Some(8))
    );
    assert_eq!(limits["json_depth"].as_integer(), Some(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn push_prints_the_receipt() {
    let server = Server::start();
    let mut client = server.member(&["chat"]).await;
    let folder = tempfile::tempdir().unwrap();
    let payload = "{\"n\":12345678901234567890123,\"a\":1}";
    let url = server.url();
    let arguments = [
        "push",
        "--url",
        &url,
        "--channel",
        "chat",
        "--event",
        "E",
        "--payload",
        payload,
    ];
    let output = run(folder.path(), &arguments).await;
    assert!(output.status.success(), "{}", err(&output));
    let receipt = out(&output);
    let id = receipt
        .trim()
        .strip_suffix(" reached 1 connection")
        .unwrap_or_else(|| panic!("{receipt}"));
    let event = client.next_text().await;
    assert!(event.contains(payload) && event.contains(id), "{event}");
    let wrong = [
        "push",
        "--url",
        &url,
        "--channel",
        "chat",
        "--event",
        "E",
        "--payload",
        "{",
    ];
    assert!(
        !run(folder.path(), &wrong).await.status.success(),
        "a payload that is not JSON"
    );
    let nobody = [
        "push",
        "--url",
        "http://127.0.0.1:1",
        "--channel",
        "chat",
        "--event",
        "E",
        "--payload",
        "{}",
    ];
    let output = run(folder.path(), &nobody).await;
    assert!(
        !output.status.success() && err(&output).contains("127.0.0.1:1"),
        "{}",
        err(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_prints_events_as_they_come() {
    let server = Server::start();
    let (mut child, mut lines) = listener(&server);
    // It has joined once a push reaches somebody.
    within("the listener to join", async {
        while server.receipt(&to_channel("chat", "HELLO", json!({"n": 1}))).await["recipients"] == 0 {}
    })
    .await;
    let event = loop {
        let line = within("an event", lines.next_line())
            .await
            .unwrap()
            .expect("it listens");
        if line.contains("HELLO") {
            break line;
        }
    };
    assert!(event.contains("{\"n\":1}"), "{event}");
    child.kill().await.unwrap();
    server.still_serves().await;
}

fn listener(server: &Server) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::from(turted(&std::env::temp_dir()));
    command.args(["listen", "--url", &server.url(), "--channel", "chat"]);
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn token_prints_what_the_server_accepts() {
    for settings in [
        "auth.clients = { type = \"token\", secret = \"hush\" }",
        "auth.clients = { type = \"token\", hash = \"md5\", prefix = \"pre\", suffix = \"post\" }",
        "auth.clients = { type = \"token\", hash = \"sha512\", suffix = \"post\" }",
    ] {
        let server = Server::with(settings);
        let config = server.config();
        let output = run(
            config.parent().unwrap(),
            &["token", "adam", "--config", config.to_str().unwrap()],
        )
        .await;
        assert!(output.status.success(), "{}", err(&output));
        let printed = out(&output);
        let mut client = server.client().await;
        let answer = client
            .ask("IDENT", json!({"username": "adam", "token": printed.trim()}))
            .await;
        assert_eq!(answer["type"], "OK", "{settings}: {printed}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_and_version_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &["--help"]).await;
    assert!(help.status.success());
    for command in ["serve", "check", "push", "listen", "token"] {
        assert!(out(&help).contains(command), "{}", out(&help));
        assert!(
            run(folder.path(), &[command, "--help"]).await.status.success(),
            "{command}"
        );
    }
    assert!(out(&run(folder.path(), &["--version"]).await).contains(env!("CARGO_PKG_VERSION")));
    assert!(!run(folder.path(), &["frobnicate"]).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn check_knows_what_a_database_needs_and_keeps_its_password() {
    let section = |more: &str| format!("[responders.hardware]\ntype = \"mongodb\"\n{more}\n");
    let url = "url = \"mongodb://u:s3cret@localhost/pxe\"\n";
    for (more, expected) in [
        (
            "collections = \"rackhd\"",
            "my.toml:1: responders.hardware.url: is missing",
        ),
        (
            "url = \"mongodb://u:s3c/ret@localhost\"\ncollections = \"rackhd\"",
            "my.toml:3: responders.hardware.url: is no URL of MongoDB",
        ),
        (
            &format!("{url}collections.nodes.secretz = [\"a\"]"),
            "my.toml:4: responders.hardware.collections.nodes.secretz: unknown key",
        ),
        (
            &format!("{url}collections.nodes.name = \"system.users\""),
            "my.toml:4: responders.hardware.collections.nodes.name: must be a collection's",
        ),
        (
            &format!("{url}collections = \"mysql\""),
            "my.toml:4: responders.hardware.collections: ",
        ),
        (
            &format!("{url}collections = \"rackhd\"\nlimit = 0"),
            "my.toml:5: responders.hardware.limit: must be from 1 to 100000",
        ),
    ] {
        let said = refused(&section(more)).await;
        let said = said.lines().map(|line| match *line.splitn(4, ':').collect::<Vec<_>>() {
            [file, row, _, rest] => format!("{file}:{row}:{rest}\n"),
            _ => format!("{line}\n"),
        });
        let said: String = said.collect();
        assert!(said.contains(expected), "{more}: {said}");
        assert!(!said.contains("s3c"), "{said}");
    }
    let good = check(&section(&format!("{url}collections = \"rackhd\""))).await;
    assert!(good.status.success(), "{}", err(&good));
    assert!(!out(&good).contains("s3cret"), "{}", out(&good));
}
