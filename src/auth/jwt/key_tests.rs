//! Keys: which are taken, and for what.
//!
//! In: key pairs of all kinds, PEM files of `openssl`, key sets. Out: whose tokens hold. Refuses to know: how a set
//! comes here.

use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING};
use serde_json::{Value, json};

use super::forge::*;
use super::keys::set;
use super::*;

const ALL: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

fn header(alg: &str) -> String {
    format!(r#"{{"alg":"{alg}"}}"#)
}

fn keys(jwks: Vec<Value>) -> Result<Vec<Key>, String> {
    set(json!({ "keys": jwks }).to_string().as_bytes())
}

fn by(key: Key, token: &str) -> String {
    verdict(&Jwt::new(public(&ALL), fixed(vec![key])), token)
}

#[test]
fn each_algorithm_of_each_kind_of_key_holds() {
    let (rsa, pem) = Pair::rsa();
    for alg in ["RS256", "RS512", "PS256"] {
        let token = rsa.sign(&header(alg), &of_provider(json!({})));
        assert_eq!(by(Key::pem(pem.as_bytes()).unwrap(), &token), "user adam", "{alg}");
        let jwk = keys(vec![rsa.jwk(json!({}))]).unwrap().remove(0);
        assert_eq!(by(jwk, &token), "user adam", "{alg} by a set");
    }
    let others = [
        ("ES256", Pair::ec(&ECDSA_P256_SHA256_FIXED_SIGNING)),
        ("ES384", Pair::ec(&ECDSA_P384_SHA384_FIXED_SIGNING)),
        ("EdDSA", Pair::ed()),
    ];
    for (alg, pair) in others {
        let token = pair.sign(&header(alg), &of_provider(json!({})));
        let jwk = keys(vec![pair.jwk(json!({"use": "sig", "alg": alg}))])
            .unwrap()
            .remove(0);
        assert_eq!(by(jwk, &token), "user adam", "{alg}");
    }
}

#[test]
fn files_of_openssl_are_read_and_what_is_no_public_key_is_refused() {
    let mut rsa_1024 = String::new();
    for (name, kind, expected) in [
        (
            "P-256",
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..],
            Ok(()),
        ),
        (
            "P-384",
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Ok(()),
        ),
        (
            "P-521",
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
            Err("holds a key that is too small, or of"),
        ),
        ("Ed25519", &["-algorithm", "ED25519"], Ok(())),
        ("Ed448", &["-algorithm", "ED448"], Err("holds ")),
        (
            "RSA 1024",
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
            Err("holds a key that is too small"),
        ),
    ] {
        let (_, pem) = openssl(kind);
        match (Key::pem(pem.as_bytes()), expected) {
            (Ok(_), Ok(())) => {}
            (Err(why), Err(begin)) if why.starts_with(begin) => {}
            (other, _) => panic!("{name}: {other:?}"),
        }
        if name == "RSA 1024" {
            rsa_1024 = pem;
        }
    }
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";
    for wrong in [
        "",
        "hello",
        private,
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        &rsa_1024,
    ] {
        let why = Key::pem(wrong.as_bytes()).unwrap_err();
        assert!(why.starts_with("holds "), "{why}");
    }
}

#[test]
fn a_public_key_is_never_a_secret() {
    let (rsa, pem) = Pair::rsa();
    let jwk = rsa.jwk(json!({"kid": "a"}));
    let jwt = Jwt::new(public(&ALL), fixed(vec![Key::pem(pem.as_bytes()).unwrap()]));
    let set = json!({"keys": [jwk]}).to_string();
    for (name, secret) in [
        ("PEM", pem.as_bytes()),
        ("PEM, trimmed", pem.trim().as_bytes()),
        ("set", set.as_bytes()),
        ("key of the set", jwk.to_string().as_bytes()),
        ("nothing", b""),
    ] {
        let forged = hs256(secret, r#"{"alg":"HS256","kid":"a"}"#, &of_provider(json!({})));
        let verdict = verdict(&jwt, &forged);
        assert!(
            verdict.starts_with("alg is HS256, allowed are RS256"),
            "{name}: {verdict}"
        );
        // Also with a configuration that no file can say.
        let confused = Jwt::new(
            public(&[Algorithm::HS256, Algorithm::RS256]),
            fixed(vec![Key::pem(pem.as_bytes()).unwrap()]),
        );
        assert!(
            super::forge::verdict(&confused, &forged).starts_with("no key that it may"),
            "{name}"
        );
    }
}

#[test]
fn a_key_is_for_what_it_is_and_nothing_else() {
    let p384 = Pair::ec(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let key = |pair: &Pair, more: Value| keys(vec![pair.jwk(more)]).unwrap().remove(0);
    let body = of_provider(json!({}));
    let rows = [
        (
            "ES256 with a P-384 key",
            by(key(&p384, json!({})), &p384.sign(&header("ES256"), &body)),
            "no key that it may",
        ),
        (
            "ES384 said to be EdDSA",
            by(key(&p384, json!({})), &p384.sign(&header("EdDSA"), &body)),
            "no key that it may",
        ),
    ];
    for (name, verdict, expected) in rows {
        assert!(verdict.starts_with(expected), "{name}: {verdict}");
    }
    let (rsa, _) = Pair::rsa();
    let only = key(rsa, json!({"alg": "RS256"}));
    assert_eq!(by(only.clone(), &rsa.sign(&header("RS256"), &body)), "user adam");
    assert!(
        by(only, &rsa.sign(&header("PS256"), &body)).starts_with("no key"),
        "alg of the key"
    );
    let jwt = Jwt::new(public(&[Algorithm::ES256]), fixed(vec![key(rsa, json!({}))]));
    let verdict = verdict(&jwt, &rsa.sign(&header("RS256"), &body));
    assert_eq!(verdict, "alg is RS256, allowed are ES256");
}

#[test]
fn what_a_set_may_hold() {
    let ed = Pair::ed();
    let good = || ed.jwk(json!({"kid": "good"}));
    let count = |more: Vec<Value>| keys([vec![good()], more].concat()).map(|keys| keys.len());
    let alone = |jwk: Value| keys(vec![jwk]).map(|keys| keys.len());
    for (name, odd) in [
        (
            "oct",
            json!({"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA"}),
        ),
        ("use enc", ed.jwk(json!({"use": "enc"}))),
        ("key_ops sign", ed.jwk(json!({"key_ops": ["sign"]}))),
        ("alg unknown", ed.jwk(json!({"alg": "ES512"}))),
        ("alg for encryption", ed.jwk(json!({"alg": "RSA-OAEP"}))),
        ("alg of another kind", ed.jwk(json!({"alg": "RS256"}))),
        ("unknown kty", json!({"kty": "PQ", "pub": "x"})),
        ("X25519", json!({"kty": "OKP", "crv": "X25519", "x": "AAAA"})),
        (
            "a curve that is another",
            json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
        ),
        (
            "secp256k1",
            json!({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}),
        ),
        ("small RSA", json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
        (
            "RSA of zeros",
            json!({"kty": "RSA", "n": "AAAA".repeat(100), "e": "AQAB"}),
        ),
        ("no members", json!({})),
        ("a text", json!("key")),
        ("null", json!(null)),
        ("members of wrong types", json!({"kty": 5, "kid": []})),
    ] {
        assert_eq!(
            count(vec![odd.clone()]),
            Ok(1),
            "{name} is left out, and the good one stays"
        );
        assert_eq!(alone(odd), Err("has no key that verifies signatures".into()), "{name}");
    }
    assert_eq!(count(vec![good(); 63]), Ok(64));
    assert_eq!(count(vec![good(); 64]), Err("has 65 keys, allowed are 64".into()));
    for body in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"keys":{}}"#,
        r#"{"keys":5}"#,
        "<html>",
        r#"{"keys":["#,
    ] {
        assert_eq!(
            set(body.as_bytes()).unwrap_err(),
            "is no JSON object with a list of keys",
            "{body}"
        );
    }
    let huge = format!(r#"{{"keys":[{}{{}}]}}"#, "{},".repeat(100_000));
    assert!(set(huge.as_bytes()).unwrap_err().starts_with("has 100001 keys"));
}

#[test]
fn points_for_which_everybody_can_sign_are_no_keys() {
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        use base64::Engine;
        let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hex::decode(point).unwrap());
        assert!(
            keys(vec![json!({"kty": "OKP", "crv": "Ed25519", "x": x})]).is_err(),
            "{point}"
        );
    }
}

#[test]
fn two_issuers_with_one_name_for_their_keys_stay_apart_in_each_order() {
    let pairs = [Pair::ed(), Pair::ed()];
    let issuers = ["https://one.example.com", "https://two.example.com"];
    let door = |at: usize| {
        let rules = Rules {
            issuer: Some(issuers[at].into()),
            ..public(&ALL)
        };
        Jwt::new(
            rules,
            fixed(keys(vec![pairs[at].jwk(json!({"kid": "key-1"}))]).unwrap()),
        )
    };
    let header = r#"{"alg":"EdDSA","kid":"key-1"}"#;
    for order in [[0, 1], [1, 0]] {
        let chain = crate::auth::Chain::new(vec![Box::new(door(order[0]).passing_on()), Box::new(door(order[1]))]);
        for (by, named) in [(0, 0), (1, 1), (0, 1), (1, 0)] {
            let token = pairs[by].sign(header, &of_provider(json!({"iss": issuers[named], "sub": issuers[by]})));
            let data = json!({"token": token});
            let brought = turted_core::Brought::default();
            let visitor = Visitor::new(&data, &brought);
            let answer = futures_util::FutureExt::now_or_never(chain.verify(&visitor)).unwrap();
            assert_eq!(
                matches!(answer, Ok(Some(_))),
                by == named,
                "{order:?}: signed by {by}, said to be by {named}"
            );
        }
        let stranger = pairs[0].sign(header, &of_provider(json!({"iss": "https://three.example.com"})));
        let data = json!({"token": stranger});
        let brought = turted_core::Brought::default();
        let answer = futures_util::FutureExt::now_or_never(chain.verify(&Visitor::new(&data, &brought))).unwrap();
        let Err(Refusal::Denied(denial)) = answer else {
            panic!("{answer:?}")
        };
        assert!(
            denial.why.contains("three") || denial.why.starts_with("the signature"),
            "{}",
            denial.why
        );
    }
}
