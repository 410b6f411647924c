//! Primus over plain WebSockets and over the other carriers: who is let in, and what odd clients get.

use crate::harness::socket::{Heard, Socket};
use crate::harness::{Request, Server, json, to_channel, to_user};

const PASSWORD: &str = "[auth.clients]\ntype = \"password\"\npassword = \"geheim\"";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_a_request_says_it_is_is_verified_before_there_is_a_spark() {
    let others = "\n[clients.engine]\ntype = \"primus\"\npath = \"/engine\"\ntransformer = \"engine.io\"\n\
                  [clients.sock]\ntype = \"primus\"\npath = \"/sock\"\ntransformer = \"sockjs\"";
    let server = Server::with(&format!("{PASSWORD}{others}"));
    let wrong = server
        .ask(Request::upgrade("/primus?username=adam&password=wrong"))
        .await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.value()["error"].is_string(), "{}", wrong.text());
    for path in [
        "/engine/?EIO=4&transport=polling&username=adam&password=wrong",
        "/engine/?EIO=3&transport=polling&username=adam&password=wrong",
    ] {
        assert_eq!(server.get(path).await.status, 401, "{path}");
    }
    let poll = Request::post("/sock/000/s/xhr?username=adam&password=wrong", "");
    assert_eq!(server.ask(poll).await.status, 401);

    let mut adam = Socket::open(
        &server,
        "/primus?username=adam&password=geheim&channel=chat&_primuscb=P4x",
    )
    .await;
    let mut nobody = Socket::open(&server, "/primus/").await;
    // What is answered comes behind who it is.
    for spark in [&mut adam, &mut nobody] {
        spark.say("\"primus::id::\"").await;
        assert!(spark.text().await.starts_with("\"primus::id::"));
    }
    for push in [to_user("adam", "A", json!(1)), to_channel("chat", "B", json!(2))] {
        assert_eq!(server.receipt(&push).await["recipients"], 1);
        assert!(adam.text().await.contains("\"payload\":"));
    }
    assert!(!server.log().contains("geheim"));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_door_is_guarded_as_every_other() {
    let server = Server::start();
    let foreign = Request::upgrade("/primus").header("origin", "https://evil.example");
    assert_eq!(server.ask(foreign).await.status, 403, "CWE-1385");
    let bare = server.get("/primus").await;
    assert_eq!((bare.status, bare.header("upgrade")), (426, Some("websocket")));
    assert_eq!(server.ask(Request::post("/primus", "{}")).await.status, 405);
    assert_eq!(server.get("/primus/primus.js").await.status, 404);
    assert_eq!(server.get("/primus/spec").await.value()["parser"], "json");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_is_the_operators_file_and_pings_come_neither_too_soon_nor_too_late() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("library.js");
    std::fs::write(&file, "function Primus() {}").unwrap();
    let server = Server::with(&format!("[clients.primus]\nclient = {:?}", file.display().to_string()));
    let library = server.get("/primus/primus.js").await;
    assert_eq!(
        (library.status, library.text()),
        (200, "function Primus() {}".to_owned())
    );
    for ping in ["25s", "41s"] {
        let sources = turted::config::Sources {
            sets: vec![format!("clients.primus.ping={ping}")],
            ..Default::default()
        };
        let wrong = turted::Server::load(&sources).unwrap_err().to_string();
        assert!(
            wrong.contains("clients.primus.ping: must be between 26s and 40s"),
            "{wrong}"
        );
    }
}

/// CWE-20, CWE-674, CWE-770.
#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_dropped_and_too_much_of_it_ends_the_client_alone() {
    let server = Server::start();
    let mut odd = Socket::open(&server, "/primus").await;
    for text in ["", "{", "nonsense", "\"\\ud800\"x", &"[".repeat(60_000)] {
        odd.say(text).await;
    }
    odd.say(r#"{"type":"ECHO","data":"still here"}"#).await;
    assert_eq!(odd.text().await, r#"{"type":"ECHO","data":"still here"}"#);
    for _ in 0..20 {
        odd.say("{").await;
    }
    assert_eq!(odd.text().await, "\"primus::server::close\"");
    assert_eq!(odd.next().await, Heard::Closed(Some(4000)));
    let mut long = Socket::open(&server, "/primus").await;
    long.say(&format!("\"{}\"", "x".repeat(70_000))).await;
    assert_eq!(long.text().await, "\"primus::server::close\"");
    assert_eq!(long.next().await, Heard::Closed(Some(1009)));
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_payloads_and_plain_writes_are_a_setting() {
    let server = Server::with(
        "may.anyone = { join = [\"chat\"], publish = [\"chat\"] }\n\
         [clients.primus]\nchannel = \"chat\"\nevent = \"SAID\"\nbare = true",
    );
    let mut spark = Socket::open(&server, "/primus?channel=chat").await;
    spark.say(r#"{"n":1.0}"#).await;
    assert_eq!(spark.text().await, r#"{"n":1.0}"#);
    server
        .receipt(&to_channel("chat", "A", json!("primus::server::close")))
        .await;
    assert!(
        spark
            .text()
            .await
            .starts_with(r#"{"event":"A","payload":"primus::server::close""#)
    );
    // Nobody may where no rule says so, and nothing is published where no channel is named.
    let server = Server::with("[clients.primus]\nchannel = \"chat\"");
    let mut spark = Socket::open(&server, "/primus").await;
    spark.say("1").await;
    assert!(spark.text().await.contains("publish_denied"));
    let server = Server::start();
    let mut spark = Socket::open(&server, "/primus").await;
    spark.say("1").await;
    assert!(spark.text().await.contains("names no channel"));
}
