//! What somebody writes into the stream who may, but should not.

use turted_core::dispatch::Epoch;
use turted_core::ledger::{Ledger, LedgerError, NodeId, Origin, Page, What, entry};

use turted_engine_redis::RedisLedger;
use turted_services::redis::Redis;

use crate::support::{BRIEF, LOG, META, NODES, Node, dispatch, ledger, scrawl, settings};

fn header(epoch: &str) -> Vec<u8> {
    let (node, epoch, ticket) = (NodeId::parse("evil").unwrap(), Epoch::new(epoch), 1);
    entry::write(&Origin { node, epoch, ticket }, &dispatch("1", None)).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hostile_keeps_its_place_and_reaches_nobody() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    one.heard().await;
    let epoch = one.at.epoch.as_str().to_owned();
    let (e, good) = (epoch.as_bytes(), header(&epoch));
    let changed = |from: &str, to: &str| String::from_utf8(good.clone()).unwrap().replace(from, to).into_bytes();
    let huge = [b"\"".as_slice(), &vec![b'a'; 10 << 20], b"\""].concat();
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let deep_header = changed("{", &format!("{{\"x\":{}1{},", "[".repeat(9_000), "]".repeat(9_000)));
    let wide_header = changed("{", &format!("{{\"x\":\"{}\",", "a".repeat(5 << 20)));
    let of =
        |h: &[u8], d: &[u8]| -> Vec<Vec<u8>> { [b"v", b"1", b"e", e, b"h", h, b"d", d].map(<[u8]>::to_vec).into() };
    let fields = |fields: &[&[u8]]| fields.iter().map(|field| field.to_vec()).collect::<Vec<_>>();
    let hostile: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("no form", fields(&[b"hello", b"world"])),
        (
            "form that is none",
            fields(&[b"v", b"\xff\x00", b"e", e, b"h", &good, b"d", b"1"]),
        ),
        (
            "form of a newer one",
            fields(&[b"v", b"2", b"e", e, b"h", &good, b"d", b"1"]),
        ),
        ("no epoch", fields(&[b"v", b"1", b"h", &good, b"d", b"1"])),
        (
            "another epoch",
            fields(&[b"v", b"1", b"e", b"other", b"h", &good, b"d", b"1"]),
        ),
        (
            "an epoch of bytes",
            fields(&[b"v", b"1", b"e", b"\xff\r\n", b"h", &good, b"d", b"1"]),
        ),
        (
            "epoch twice",
            fields(&[b"v", b"1", b"e", e, b"e", e, b"h", &good, b"d", b"1"]),
        ),
        ("no header", fields(&[b"v", b"1", b"e", e, b"d", b"1"])),
        ("no payload", fields(&[b"v", b"1", b"e", e, b"h", &good])),
        (
            "payload twice",
            fields(&[b"v", b"1", b"e", e, b"h", &good, b"d", b"1", b"d", b"2"]),
        ),
        ("turn twice", fields(&[b"v", b"1", b"e", e, b"turn", e, b"turn", e])),
        ("a header that is no JSON", of(b"{", b"1")),
        ("a header that is a list", of(b"[]", b"1")),
        ("bytes as a header", of(b"\xff\xfe\x00", b"1")),
        ("a header of a newer form", of(&changed("\"v\":1", "\"v\":2"), b"1")),
        ("a ticket that is none", of(&changed("\"t\":1", "\"t\":1e400"), b"1")),
        ("a node that is none", of(&changed("evil", "ev il"), b"1")),
        ("a channel with a line break", of(&changed("chat", "ch\\nat"), b"1")),
        ("a channel without a name", of(&changed("chat", ""), b"1")),
        ("a deep header", of(&deep_header, b"1")),
        ("a wide header", of(&wide_header, b"1")),
        ("a payload that is no JSON", of(&good, b"{\"a\":")),
        ("a payload with a second line", of(&good, b"1\n\ndata: 2\n\n!")),
        ("a payload of bytes", of(&good, b"\"\xff\"")),
        ("an empty payload", of(&good, b"")),
        ("a huge payload", of(&good, &huge)),
        ("a deep payload", of(&good, &deep)),
    ];
    for (what, fields) in &hostile {
        let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let place = scrawl(&redis, &fields);
        one.say("1").await;
        let mut entries = Vec::new();
        while entries.len() < 2 {
            let page = one.page(BRIEF).await.unwrap();
            let Page::Entries(more) = page else {
                panic!("{what}: {page:?}");
            };
            entries.extend(more);
        }
        assert_eq!(entries[0].sequence, place, "{what}");
        let What::Unreadable(why) = &entries[0].what else {
            panic!("{what}: {:?}", entries[0]);
        };
        assert!(why.len() < 200, "{what}: {why}");
        assert!(matches!(entries[1].what, What::Dispatch(..)), "{what}");
    }
    // What a newer turted may add is passed over.
    scrawl(
        &redis,
        &[b"v", b"1", b"e", e, b"h", &good, b"d", b"5", b"new", b"field"],
    );
    assert_eq!(one.heard().await, ["5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_type_are_a_reason_to_give_up_but_not_to_panic() {
    for key in [META, LOG, NODES] {
        let redis = Redis::start();
        let mut one = Node::begin(ledger(&redis), "one").await;
        redis.must(&["DEL", key]);
        redis.must(&["SET", key, "hello"]);
        let batch = [one.next("1", None)];
        let errors = [
            one.append(&batch).await.map(drop).unwrap_err(),
            one.ledger.renew(&one.me).await.map(drop).unwrap_err(),
            one.ledger.open(&one.me).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(
                matches!(&error, LedgerError::Fatal(sentence) if sentence.contains("another type")),
                "{key}: {error}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_idempotency_of_another_type_is_replaced() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    one.heard().await;
    redis.must(&["RPUSH", "turted:{shop}:k:odd", "hello"]);
    redis.must(&["SET", "turted:{shop}:k:bytes", "\n\u{0}nonsense"]);
    let batch = [
        one.next("1", Some("odd")),
        one.next("2", Some("bytes")),
        one.next("3", Some("odd")),
    ];
    let answers = one.append(&batch).await.unwrap();
    assert_eq!(answers[..2], [None, None]);
    assert!(answers[2].is_some(), "it is repeated");
    assert_eq!(one.heard().await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_about_the_realm_ends_in_a_new_epoch() {
    for (field, nonsense) in [
        ("epoch", "a b"),
        ("epoch", ""),
        ("seq", "-1"),
        ("seq", "1e9"),
        ("seq", "99999999999999999999"),
        ("fence", ""),
        ("seq", "77"),
        ("closed", ":::: \n a:b:c one0:9999999999999999999999:x"),
    ] {
        let redis = Redis::start();
        let mut one = Node::begin(ledger(&redis), "one").await;
        one.say("1").await;
        one.heard().await;
        redis.must(&["HSET", META, field, nonsense]);
        one.open().await;
        let heard = one.heard().await;
        assert_eq!(heard.is_empty(), field == "closed", "{field} {nonsense}: {heard:?}");
        one.tickets = if field == "closed" { one.tickets } else { 0 };
        one.say("2").await;
        assert_eq!(one.heard().await, ["2"], "{field} {nonsense}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_secret_only_what_is_sealed_with_it_is_understood() {
    let redis = Redis::start();
    let with = |secret: Option<&str>| {
        let mut settings = settings(&redis);
        settings.secret = secret.map(str::to_owned);
        RedisLedger::new(settings).unwrap()
    };
    let mut one = Node::begin(with(Some("the first secret of all")), "one").await;
    let mut same = Node::begin(with(Some("the first secret of all")), "same").await;
    let mut other = Node::begin(with(Some("another secret that differs")), "other").await;
    let mut open = Node::begin(with(None), "open").await;
    assert_eq!(same.heard().await, ["turn"]);
    for node in [&mut one, &mut other, &mut open] {
        node.at = same.at.clone();
    }
    one.say("1").await;
    other.say("2").await;
    open.say("3").await;
    assert_eq!(
        same.heard().await,
        ["1", "its seal is not one of this secret", "it has no seal"]
    );
    assert_eq!(
        other.heard().await,
        ["its seal is not one of this secret", "2", "it has no seal"]
    );
    assert_eq!(open.heard().await, ["1", "2", "3"], "whoever asks for none needs none");
}
