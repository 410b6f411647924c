//! Ways to reach a server and to be refused by it. No password is ever named.

use crate::support::{Recorder, Redis, Value, add, build, json, orders, start};

fn at(url: String) -> Value {
    let mut section = orders();
    section["url"] = json!(url);
    section
}

async fn works(redis: &Redis, section: Value) {
    let recorder = Recorder::default();
    let mut run = start(build(section).unwrap(), &recorder);
    run.running().await;
    add(redis, 1);
    recorder.has(1).await;
    run.stop().await.unwrap();
}

async fn fails(section: Value) -> String {
    let run = start(build(section).unwrap(), &Recorder::default());
    run.ended().await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_is_said_but_not_named() {
    let redis = Redis::with("requirepass s3cret/#@");
    for protocol in ["resp2", "resp3"] {
        let place = format!("redis at 127.0.0.1:{}", redis.port);
        let url = format!("127.0.0.1:{}/?protocol={protocol}", redis.port);
        works(&redis, at(format!("redis://:s3cret%2F%23%40@{url}"))).await;
        let mut section = at(format!("redis://:overruled@{url}"));
        section["password"] = json!("s3cret/#@");
        works(&redis, section).await;
        for (login, says) in [
            (":wr0ng@", "refused the user name or the password"),
            ("adam:wr0ng@", "refused the user name or the password"),
            ("", "wants a password"),
        ] {
            for key in ["streams", "channels"] {
                let section = json!({"url": format!("redis://{login}{url}"), key: ["x"]});
                assert_eq!(
                    fails(section).await,
                    format!("{place} {says}"),
                    "{protocol} {login} {key}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_user_who_may_not_read_is_told_what_is_missing() {
    let redis = Redis::with("user adam on >s3cret ~* &news +@connection +subscribe");
    let url = format!("redis://adam:s3cret@127.0.0.1:{}", redis.port);
    let error = fails(at(url.clone())).await;
    assert!(
        error.contains("NOPERM") && error.contains("orders") && !error.contains("s3cret"),
        "{error}"
    );
    let error = fails(json!({"url": url, "channels": ["secret"]})).await;
    assert!(error.contains("NOPERM") && !error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn a_key_of_another_type_is_told() {
    let redis = Redis::start();
    redis.must(&["SET", "orders", "no stream"]);
    let error = fails(at(redis.url())).await;
    assert!(error.contains("orders") && error.contains("WRONGTYPE"), "{error}");
}

#[tokio::test]
async fn a_socket_and_a_database_other_than_the_first() {
    let redis = Redis::start();
    let socket = redis.socket();
    works(&redis, at(format!("redis+unix://{}", socket.display()))).await;
    let recorder = Recorder::default();
    let mut run = start(
        build(at(format!("redis+unix://{}?db=3", socket.display()))).unwrap(),
        &recorder,
    );
    run.running().await;
    let mut client = redis.client();
    client.ask(&["SELECT", "3"]);
    client.ask(&["XADD", "orders", "*", "n", "5"]);
    recorder.has(1).await;
    run.stop().await.unwrap();
}

#[tokio::test]
async fn tls_with_a_certificate_that_is_trusted_and_one_that_is_not() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let redis = Redis::absent(
        "tls-port {tls_port}\ntls-cert-file {folder}/cert.pem\ntls-key-file {folder}/key.pem\ntls-ca-cert-file {folder}/cert.pem\ntls-auth-clients no",
    );
    let cert = redis.folder().join("cert.pem");
    std::fs::write(&cert, own.cert.pem()).unwrap();
    std::fs::write(redis.folder().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
    let mut redis = redis;
    redis.start_again();
    let mut section = at(format!("rediss://localhost:{}", redis.tls_port));
    let error = fails(section.clone()).await;
    assert!(
        error.starts_with("redis at localhost") && error.contains("certificate"),
        "{error}"
    );
    section["ca"] = json!(cert);
    works(&redis, section.clone()).await;
    section["ca"] = json!("no/such.pem");
    let error = fails(section).await;
    assert!(error.starts_with("cannot read ca, no/such.pem"), "{error}");
}

#[tokio::test]
async fn a_server_that_stands_still_is_noticed_within_ten_seconds() {
    let redis = Redis::start();
    for key in ["streams", "channels"] {
        let section = json!({"url": redis.url(), key: ["x"]});
        let mut run = start(build(section).unwrap(), &Recorder::default());
        run.running().await;
        redis.freeze(true);
        let begun = std::time::Instant::now();
        let error = run.ended().await.unwrap_err().to_string();
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(10),
            "{key}: {:?}",
            begun.elapsed()
        );
        assert!(error.contains("did not answer"), "{key}: {error}");
        redis.freeze(false);
    }
}
