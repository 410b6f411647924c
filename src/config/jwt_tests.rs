//! What flows in: `type = "jwt"`, sound and unsound. What flows out: the lines a person would see. Refuses to know:
//! what a token is.

use super::tests::{check, load};
use super::{Method, Secret};

const SECRET: &str = "a secret of at least thirty-two bytes";

fn door(rest: &str) -> String {
    format!("[auth.clients]\ntype = \"jwt\"\n{rest}\n")
}

#[test]
fn one_secret_or_several_or_an_identity_provider() {
    for sound in [
        format!("secret = \"{SECRET}\""),
        format!(
            "secret = [\"{SECRET}\", \"{SECRET} too\"]\nalgorithms = [\"HS512\"]\nuser = \"{{email}}\"\ngrants = [\"room.**\"]"
        ),
        "issuer = \"https://id.example.com\"\naudience = \"turted\"".to_owned(),
        "issuer = \"x\"\naudience = [\"a\", \"b\"]\njwks = \"https://id.example.com/keys\"\nleeway = \"0s\"".to_owned(),
        "issuer = \"x\"\naudience = \"a\"\njwks = \"http://127.0.0.1:1/keys\"\nalgorithms = [\"ES256\", \"EdDSA\"]"
            .to_owned(),
        "issuer = \"http://[::1]:1\"\naudience = \"a\"\nquery = true\nmax_lifetime = \"10m\"".to_owned(),
        "issuer = \"http://localhost:1\"\naudience = \"a\"".to_owned(),
    ] {
        check(&door(&sound), "");
    }
}

#[test]
fn mistakes_are_told_with_their_line() {
    let at = |line: usize, key: &str, rest: &str| {
        format!(
            "t.toml:{line}:{}: auth.clients.{key}: {rest}",
            if line == 1 { 7 } else { 1 }
        )
    };
    check(
        &door(""),
        &at(
            1,
            "secret",
            "is missing; a jwt takes the secret that it is signed with, or the issuer and the audience of an identity provider",
        ),
    );
    check(
        &door("secret = \"short\""),
        &at(
            3,
            "secret",
            "must be at least 32 bytes long, not 5 B: a short one can be guessed from any token; make one with openssl rand -base64 32",
        ),
    );
    check(&door("secret = \"\""), &at(3, "secret", "must not be empty"));
    check(&door("secret = []"), &at(3, "secret", "must not be an empty list"));
    check(
        &door("secret = 5"),
        &at(
            3,
            "secret",
            "must be a text in quotes, or a list of them, not a whole number",
        ),
    );
    check(
        &door("issuer = \"https://id.example.com\""),
        &at(
            1,
            "audience",
            "is missing; it is demanded with public keys, since their owner signs for others too",
        ),
    );
    check(
        &door("jwks = \"https://id.example.com/keys\"\naudience = \"a\""),
        &at(
            1,
            "issuer",
            "is missing; it is demanded with public keys, since their owner signs for others too",
        ),
    );
    check(
        &door("issuer = \"http://id.example.com\"\naudience = \"a\""),
        &at(
            3,
            "issuer",
            "\"http://id.example.com\" must be an https URL (http only on this machine), since the keys come from there",
        ),
    );
    check(
        &door("issuer = \"x\"\naudience = \"a\"\njwks = \"http://u:hush@10.0.0.1/\""),
        &at(
            5,
            "jwks",
            "\"http://u:********@10.0.0.1/\" must be an https URL (http only on this machine), since the keys come from there",
        ),
    );
    check(
        &door(&format!("secret = \"{SECRET}\"\njwks = \"https://x/\"")),
        &at(
            3,
            "secret",
            "does not go with jwks: whoever knows the public key could sign with it; write two [[auth.clients]]",
        ),
    );
    check(
        &door(&format!("secret = \"{SECRET}\"\nalgorithms = [\"HS256\", \"RS256\"]")),
        &at(
            4,
            "algorithms",
            "RS256 does not go with a secret; those that do are HS256, HS384, HS512",
        ),
    );
    check(
        &door("issuer = \"https://x\"\naudience = \"a\"\nalgorithms = [\"HS256\"]"),
        &at(
            5,
            "algorithms",
            "HS256 does not go with public keys; those that do are RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
        ),
    );
    check(
        &door(&format!("secret = \"{SECRET}\"\nuser = \"adam\"")),
        &at(
            4,
            "user",
            "names no claim, so that everybody would be one user; write for example \"{sub}\"",
        ),
    );
    check(
        &door(&format!("secret = \"{SECRET}\"\nleeway = \"6m\"")),
        &at(4, "leeway", "must be at most 5m"),
    );
    check(
        &door(&format!("secret = \"{SECRET}\"\nmax_lifetime = \"0s\"")),
        &at(4, "max_lifetime", "must be at least 1s"),
    );
    check(
        &door("issuer = \"x\"\naudience = \"a\"\npublic_key = \"nowhere.pem\""),
        &at(5, "public_key", "there is no file nowhere.pem"),
    );
}

#[test]
fn what_is_shown_can_be_read_again_and_holds_no_secret() {
    let text = door(&format!(
        "secret = [\"{SECRET}\", \"{SECRET} too\"]\naudience = \"turted\"\ngrants = [\"room.**\"]"
    ));
    let config = load(&text, &[], &[]).unwrap();
    let shown = config.to_toml_masked();
    assert!(
        !shown.contains(SECRET) && !format!("{config:?}").contains(SECRET),
        "{shown}"
    );
    let again = load(&shown.replace("********", SECRET), &[], &[]).unwrap();
    let [Method::Jwt(before), Method::Jwt(after)] = [&config.auth.clients[0], &again.auth.clients[0]] else {
        panic!("{:?}", again.auth.clients)
    };
    let mut after = after.clone();
    after.secret[1] = Secret::new(format!("{SECRET} too"));
    assert_eq!(before, &after);
}
