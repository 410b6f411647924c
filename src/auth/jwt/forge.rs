//! Makes tokens, good ones and others, for the tests beside it.
//!
//! In: texts of headers and claims, and keys. Out: tokens whose signature holds, whatever they say; nothing here
//! checks anything.

use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use futures_util::FutureExt;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair};
use serde_json::{Value, json};
use turted_core::{Authenticator, Brought, Identity, Limits, Refusal, Visitor};

use super::*;

pub const SECRET: &str = "a secret of at least thirty-two bytes";

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims with which everything is all right, and these on top; `null` takes one out.
pub fn claims(more: Value) -> String {
    let mut all = json!({"sub": "adam", "iat": now(), "exp": now() + 60});
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
            value => all[name] = value.clone(),
        }
    }
    all.to_string()
}

/// Two parts, which are still to be signed.
pub fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}", BASE64.encode(header), BASE64.encode(claims))
}

pub fn hs256(secret: &[u8], header: &str, claims: &str) -> String {
    let message = unsigned(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", BASE64.encode(tag.as_ref()))
}

/// A good token with other claims.
pub fn saying(more: Value) -> String {
    hs256(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, &claims(more))
}

/// A key pair of somebody who signs.
pub enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Pair {
    pub fn rsa() -> &'static (Self, String) {
        static PAIR: OnceLock<(Pair, String)> = OnceLock::new();
        PAIR.get_or_init(|| {
            let (private, public) = openssl(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
            (Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(&private).unwrap())), public)
        })
    }

    pub fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    pub fn ed() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    pub fn sign(&self, header: &str, claims: &str) -> String {
        let (message, random) = (unsigned(header, claims), SystemRandom::new());
        let signature = match self {
            Self::Rsa(pair) => {
                let by: &'static dyn ring::signature::RsaEncoding = match header {
                    _ if header.contains("PS256") => &ring::signature::RSA_PSS_SHA256,
                    _ if header.contains("RS512") => &ring::signature::RSA_PKCS1_SHA512,
                    _ => &ring::signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(by, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", BASE64.encode(signature))
    }

    /// Its public half as a member of a key set.
    pub fn jwk(&self, more: Value) -> Value {
        let mut jwk = match self {
            Self::Rsa(pair) => {
                let key = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": BASE64.encode(key.n), "e": BASE64.encode(key.e)})
            }
            Self::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": BASE64.encode(x), "y": BASE64.encode(y)})
            }
            Self::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(pair.public_key())}),
        };
        for (name, value) in more.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }
}

/// A private key in DER, and the public one in PEM, made by a program that knows nothing of this one.
pub fn openssl(kind: &[&str]) -> (Vec<u8>, String) {
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("private.pem");
    let run = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    let path = private.to_str().unwrap();
    run(&[&["genpkey", "-out", path], kind].concat());
    let der = run(&["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in", path]);
    let public = run(&["pkey", "-pubout", "-in", path]);
    (der, String::from_utf8(public).unwrap())
}

pub fn rules() -> Rules {
    Rules {
        issuer: None,
        audience: Vec::new(),
        algorithms: vec![Algorithm::HS256],
        user: turted_core::may::Naming::default(),
        leeway: std::time::Duration::from_secs(30),
        max_lifetime: std::time::Duration::from_secs(24 * 3600),
        within: None,
        claims: vec!["org".into()],
        limits: Limits::default(),
        query: false,
    }
}

/// Those of an identity provider.
pub fn public(algorithms: &[Algorithm]) -> Rules {
    Rules {
        issuer: Some("https://id.example.com".into()),
        audience: vec!["turted".into()],
        algorithms: algorithms.to_vec(),
        ..rules()
    }
}

/// What those demand.
pub fn of_provider(more: Value) -> String {
    let mut all = json!({"iss": "https://id.example.com", "aud": "turted"});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    claims(all)
}

pub fn fixed(keys: Vec<Key>) -> Keys {
    Keys::Fixed(keys.into())
}

pub fn with_secrets(secrets: &[&str], rules: Rules) -> Jwt {
    let keys = secrets.iter().map(|secret| Key::secret(secret).unwrap());
    Jwt::new(rules, fixed(keys.collect()))
}

pub fn asked(jwt: &Jwt, token: &str) -> Result<Option<Identity>, Refusal> {
    let data = json!({"token": token});
    let brought = Brought::default();
    jwt.verify(&Visitor::new(&data, &brought)).now_or_never().unwrap()
}

/// The user, or why not.
pub fn verdict(jwt: &Jwt, token: &str) -> String {
    match asked(jwt, token) {
        Ok(Some(identity)) => format!("user {}", identity.user.unwrap()),
        Ok(None) => "nothing".into(),
        Err(Refusal::Denied(denial)) => denial.why.into_owned(),
        Err(Refusal::Expired) => "expired".into(),
        Err(Refusal::Unavailable { .. }) => "unavailable".into(),
    }
}

/// Runs a table: name, token, and how the verdict begins.
pub fn table(jwt: &Jwt, rows: Vec<(&str, String, &str)>) {
    for (name, token, expected) in rows {
        let verdict = verdict(jwt, &token);
        assert!(verdict.starts_with(expected), "{name}: {verdict}");
        for part in token.split('.').filter(|part| part.len() > 20) {
            assert!(
                !verdict.contains(part),
                "{name}: a part of the token is told: {verdict}"
            );
        }
    }
}

pub const HS256: &str = r#"{"alg":"HS256"}"#;

pub fn door() -> Jwt {
    with_secrets(&[SECRET], rules())
}

pub fn signed(header: &str, claims: &str) -> String {
    hs256(SECRET.as_bytes(), header, claims)
}
