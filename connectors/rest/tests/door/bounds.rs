//! Stories about backends that may tell some and not others: a request with one forbidden target is refused whole.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::{AS_JSON, House, post, request};

const SHOP: (&str, &str) = ("authorization", "Bearer opensesame");

#[test]
fn a_push_with_one_forbidden_target_is_refused_whole() {
    let house = House::new();
    let ask = |headers: &[(&str, &str)], body: &str| house.ask(post("/push/", headers, body));
    let within = r#"{"event":"E","targets":{"channels":["shop.a","shop.b.c"],"users":["adam"]}}"#;
    assert_eq!(ask(&[SHOP], within), "200 text/plain; charset=utf-8 | OK");
    for (targets, whom) in [
        (r#"{"channels":["shop.a","news","shop.b"]}"#, r#"the channel "news""#),
        (r#"{"channels":["shop"]}"#, r#"the channel "shop""#),
        (r#"{"channels":["SHOP.a"]}"#, r#"the channel "SHOP.a""#),
        (r#"{"users":["adam","eve"],"channels":["shop.a"]}"#, r#"the user "eve""#),
        (r#"{"channels":["shop.a"],"broadcast":true}"#, "everybody"),
    ] {
        let body = format!(r#"{{"event":"E","targets":{targets}}}"#);
        let sentence = format!("the backend shop may not tell {whom}");
        assert_eq!(
            ask(&[SHOP], &body),
            format!("403 text/plain; charset=utf-8 | {sentence}")
        );
        let message = serde_json::Value::from(sentence);
        assert_eq!(
            ask(&[SHOP, AS_JSON], &body),
            format!(r#"403 application/json | {{"error":{{"code":"forbidden","message":{message}}}}}"#)
        );
        let in_body = body.replacen('{', r#"{"auth":{"password":"opensesame"},"#, 1);
        assert!(ask(&[], &in_body).starts_with("403"), "{in_body}");
    }
    assert_eq!(house.dispatched().len(), 1);
    assert_eq!(house.report.counts(), (1, 15));
}

#[test]
fn urls_and_the_words_of_php_have_the_same_bounds() {
    let house = House::new();
    let ask = |path: &str| house.ask(post(path, &[SHOP], ""));
    assert!(ask("/push/channel/shop.a/E").starts_with("200"));
    assert!(ask("/push/user/adam/E").starts_with("200"));
    for path in [
        "/push/channel/news/E",
        "/push/user/eve/E",
        "/push/all/E",
        "/push/channel/shop%2Fa/E",
    ] {
        assert!(ask(path).starts_with("403 text/plain"), "{path}");
    }
    assert_eq!(house.dispatched().len(), 2);
    let php = House::of_php();
    let body = r#"{"event":"E","targets":{"broadcast":true},"auth":{"password":"opensesame"}}"#;
    assert_eq!(
        php.ask(post("/sse", &[], body)),
        "403 text/plain; charset=utf-8 | the backend shop may not tell everybody"
    );
    assert!(php.dispatched().is_empty());
}

#[test]
fn of_a_list_nothing_is_dispatched_when_one_push_is_out_of_bounds() {
    let house = House::new();
    let push = |channel: &str, password: &str| {
        format!(r#"{{"event":"E","targets":{{"channels":["{channel}"]}},"auth":{{"password":"{password}"}}}}"#)
    };
    let (shop, other) = (push("shop.a", "opensesame"), push("news", "opensesame"));
    let refused = r#"403 text/plain; charset=utf-8 | push[2]: the backend shop may not tell the channel "news""#;
    assert_eq!(house.post(&format!("[{shop},{shop},{other}]")), refused);
    assert_eq!(
        house.ask(post("/push/", &[SHOP], &format!("[{shop},null,{other}]"))),
        refused
    );
    assert!(house.dispatched().is_empty());
    // Each push is held to the bounds of its own credentials, whatever stands beside it.
    let whole = push("news", "sesame");
    assert_eq!(
        house.post(&format!("[{shop},null,{whole}]")),
        "400 text/plain; charset=utf-8 | push[1]: a push must be a JSON object"
    );
    assert_eq!(house.dispatched().len(), 2);
    let forged = format!("[{whole},null,{whole},{other},{shop}]");
    assert_eq!(
        house.post(&forged),
        r#"403 text/plain; charset=utf-8 | push[3]: the backend shop may not tell the channel "news""#
    );
    assert_eq!(house.dispatched().len(), 2);
}

#[test]
fn the_inline_form_has_the_same_bounds() {
    let house = House::with_ape();
    let get = |json: &str| {
        let path = format!("/push/{}", utf8_percent_encode(json, NON_ALPHANUMERIC));
        house.ask(request("GET", &path, &[], ""))
    };
    let adam = r#"{"cmd":"notifyUser","params":{"password":"opensesame","event":"A","user":"adam"}}"#;
    let all = r#"{"cmd":"notifyAll","params":{"password":"opensesame","event":"A"}}"#;
    assert_eq!(get(&format!("[{adam}]")), "200 text/plain; charset=utf-8 | OK");
    assert_eq!(
        get(&format!("[{adam},{all}]")),
        "403 text/plain; charset=utf-8 | push[1]: the backend shop may not tell everybody"
    );
    assert_eq!(house.dispatched().len(), 1);
}

#[test]
fn an_idempotency_key_of_one_backend_is_none_of_another() {
    let house = House::new();
    let push = |password: &str| {
        format!(r#"{{"event":"E","targets":{{"users":["adam"]}},"id":"1","auth":{{"password":"{password}"}}}}"#)
    };
    for password in ["sesame", "opensesame"] {
        assert!(house.post(&push(password)).starts_with("200"));
    }
    let keys: Vec<_> = house.taken().iter().filter_map(|one| one.key.clone()).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}
