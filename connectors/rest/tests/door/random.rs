//! Hostile input, from a seed so that a failure can be repeated: nothing panics, every answer is a known status, and
//! whoever has no credentials dispatches nothing.

use http::Uri;

use crate::support::{AS_JSON, House, post, request};

const BODIES: [&str; 4] = [
    r#"{"event":"E","targets":{"users":["a"],"channels":"b","broadcast":true},"payload":{"x":[1]},"id":"k"}"#,
    r#"[{"exclude":{"connections":["c"],"users":"u"}},{"event":5,"payload":"\ud800"},null]"#,
    r#"{"payload":[[[[{}]]]],"auth":{"password":"swordfish"}}"#,
    r#"[{"cmd":"notifyUser","params":{"event":"E","user":"a","data":{"x":1}}}]"#,
];
const PATHS: [&str; 4] = [
    "/push/user/ad%C3%A4m/MESSAGE:NEW",
    "/push/channel/a%2Fb/HI",
    "/push/all/HI?x=1",
    "/push/%5B%7B%22cmd%22:%22notifyAll%22,%22params%22:%7B%22event%22:%22HI%22%7D%7D%5D",
];

/// Changes a few bytes of `seed`; `alphabet` are the bytes that matter to its parser.
fn mutate(random: &mut fastrand::Rng, seed: &str, alphabet: &[u8]) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for _ in 0..random.usize(0..6) {
        let at = random.usize(0..bytes.len());
        match random.u8(0..4) {
            0 => bytes[at] = random.u8(..),
            1 => bytes.truncate(at.max(1)),
            2 => bytes[at] = alphabet[random.usize(0..alphabet.len())],
            _ => bytes.insert(at, alphabet[random.usize(0..alphabet.len())]),
        }
    }
    bytes
}

#[test]
fn no_body_and_no_path_is_too_strange() {
    let mut random = fastrand::Rng::with_seed(7117);
    let (guarded, ape) = (House::new(), House::with_ape());
    let mut statuses = std::collections::BTreeMap::<String, usize>::new();
    for round in 0..30_000 {
        let body = mutate(&mut random, BODIES[round % 4], b"{}[]\",:\\\0n0u5-. ");
        let path = mutate(&mut random, PATHS[round / 4 % 4], b"/%?#F0C82\"[{");
        let path = String::from_utf8_lossy(&path);
        // What is not a URI never gets here; what is not below the prefix should not, but must not hurt either.
        if path.parse::<Uri>().is_err() {
            continue;
        }
        let method = if random.bool() { "GET" } else { "POST" };
        let mut ask = |house: &House, headers: &[(&str, &str)]| {
            let mut asked = request(method, &path, headers, "");
            *asked.body_mut() = body.clone().into();
            let status = house.ask(asked)[..3].to_owned();
            *statuses.entry(status).or_default() += 1;
        };
        ask(&ape, &[AS_JSON, ("authorization", "Bearer mellon")]);
        ask(&guarded, &[]);
    }
    assert_eq!(
        statuses.keys().map(String::as_str).collect::<Vec<_>>(),
        ["200", "400", "401", "404", "405"]
    );
    assert!(
        statuses.values().all(|count| *count > 100),
        "the input was too tame: {statuses:?}"
    );
    assert!(guarded.dispatched().is_empty(), "dispatched without credentials");
}

#[test]
fn bytes_without_any_sense_are_not_json() {
    let mut random = fastrand::Rng::with_seed(19195);
    let house = House::new();
    for _ in 0..5_000 {
        let mut asked = post("/push/", &[("authorization", "Bearer mellon")], "");
        let length = random.usize(0..200);
        *asked.body_mut() = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        assert_eq!(&house.ask(asked)[..3], "400");
    }
}
