//! Keys that verify tokens.
//!
//! In: secrets, PEM files, the JSON of a key set. Out: keys, each with the algorithms that it is for. A key that
//! cannot be used is left out of a set, and is an error where somebody named it. Refuses to know: where a set comes
//! from.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use serde_json::Value;

/// Most keys of a set.
const MOST_KEYS: usize = 64;
/// Most keys that are tried on one token: verifying costs time.
const MOST_TRIED: usize = 8;
/// Shortest secret in bytes: what HMAC-SHA-256 is good for.
pub const SHORTEST_SECRET: usize = 32;

/// A key, the name that its set gives it, and what it is for.
#[derive(Clone)]
pub struct Key {
    id: Option<Box<str>>,
    key: DecodingKey,
    fits: Vec<Algorithm>,
}

/// Says what it is for, and nothing of itself.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("fits", &self.fits).finish_non_exhaustive()
    }
}

impl Key {
    /// A shared secret.
    ///
    /// # Errors
    /// When it is too short to keep anybody out.
    pub fn secret(secret: &str) -> Result<Self, String> {
        if secret.len() < SHORTEST_SECRET {
            return Err(format!("must be at least {SHORTEST_SECRET} bytes long"));
        }
        let key = DecodingKey::from_secret(secret.as_bytes()).map_err(|_| "cannot be used".to_owned())?;
        Ok(Self {
            id: None,
            key,
            fits: AlgorithmFamily::Hmac.algorithms().to_vec(),
        })
    }

    /// A public key in a PEM file.
    ///
    /// # Errors
    /// A sentence that begins like "holds no …".
    pub fn pem(text: &[u8]) -> Result<Self, String> {
        if String::from_utf8_lossy(text).contains("PRIVATE KEY") {
            return Err("holds a private key; the public one is enough, and all that should be here".into());
        }
        let read = [
            DecodingKey::from_rsa_pem,
            DecodingKey::from_ec_pem,
            DecodingKey::from_ed_pem,
        ];
        let key = read.into_iter().find_map(|read| read(text).ok());
        let key = key.ok_or("holds no public key of RSA, P-256, P-384 or Ed25519 in PEM form (BEGIN PUBLIC KEY)")?;
        let fits =
            fits(&key).ok_or("holds a key that is too small, or of another curve than P-256, P-384 and Ed25519")?;
        Ok(Self { id: None, key, fits })
    }

    /// A key of a set, if it can verify anything.
    fn jwk(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let operations = common.key_operations.as_ref();
        if operations.is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
            return None;
        }
        let is_of_its_curve = |key: &DecodingKey, length: usize| bytes(key).is_some_and(|bytes| bytes.len() == length);
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let is_sound = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => true,
            AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
                EllipticCurve::P256 => is_of_its_curve(&key, POINT_P256),
                EllipticCurve::P384 => is_of_its_curve(&key, POINT_P384),
                _ => false,
            },
            AlgorithmParameters::OctetKeyPair(pair) => pair.curve == EllipticCurve::Ed25519,
            // A secret in a set that everybody can read is none (and a public key that is taken for one opens to all).
            _ => false,
        };
        let mut fits = fits(&key).filter(|_| is_sound)?;
        if let Some(only) = common.key_algorithm {
            let only = Algorithm::try_from(only).ok()?;
            fits.retain(|algorithm| *algorithm == only);
        }
        let id = common.key_id.as_deref().map(Box::from);
        (!fits.is_empty()).then_some(Self { id, key, fits })
    }

    /// Itself, for `jsonwebtoken`.
    pub fn decoding(&self) -> &DecodingKey {
        &self.key
    }
}

const POINT_P256: usize = 65;
const POINT_P384: usize = 97;

fn bytes(key: &DecodingKey) -> Option<&[u8]> {
    key.try_get_as_bytes().ok()
}

/// What a key is for, by its kind and size.
fn fits(key: &DecodingKey) -> Option<Vec<Algorithm>> {
    let family = key.family();
    let all = family.algorithms();
    match (family, key.kind()) {
        (AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, .. }) => {
            let size = n.iter().skip_while(|byte| **byte == 0).count();
            (256..=1024).contains(&size).then(|| all.to_vec())
        }
        // The modulus, and a few bytes around it: ring looks at it closely with each token.
        (AlgorithmFamily::Rsa, DecodingKeyKind::SecretOrDer(der)) => (der.len() > 256).then(|| all.to_vec()),
        (AlgorithmFamily::Ec, _) => match bytes(key)?.len() {
            POINT_P256 => Some(vec![Algorithm::ES256]),
            POINT_P384 => Some(vec![Algorithm::ES384]),
            _ => None,
        },
        (AlgorithmFamily::Ed, _) => {
            let point = <[u8; 32]>::try_from(bytes(key)?).ok()?;
            (!is_of_small_order(point)).then(|| all.to_vec())
        }
        (AlgorithmFamily::Hmac, _) => None,
    }
}

/// Points for which everybody can make signatures. Each is listed once: the sign, the highest bit, is left out.
fn is_of_small_order(mut point: [u8; 32]) -> bool {
    point[31] &= 0x7f;
    let near_prime = |least: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (least, 0x7f);
        bytes
    };
    let small = |least: u8| {
        let mut bytes = [0; 32];
        bytes[0] = least;
        bytes
    };
    let order_of_eight = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let others = [small(0), small(1), near_prime(0xec), near_prime(0xed), near_prime(0xee)];
    order_of_eight.contains(&point) || others.contains(&point)
}

/// The keys of a JSON Web Key Set that can verify something.
///
/// # Errors
/// A sentence that begins like "is no …".
pub fn set(body: &[u8]) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(body).map_err(|_| "is no JSON object with a list of keys".to_owned())?;
    if set.keys.len() > MOST_KEYS {
        return Err(format!("has {} keys, allowed are {MOST_KEYS}", set.keys.len()));
    }
    let read = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
    let keys: Vec<Key> = read.filter_map(|jwk: Jwk| Key::jwk(&jwk)).collect();
    match keys.is_empty() {
        true => Err("has no key that verifies signatures".into()),
        false => Ok(keys),
    }
}

/// Those of the keys that a token with this header may be verified with.
///
/// # Errors
/// [`Mismatch`]
pub fn fitting<'a>(keys: &'a [Key], kid: Option<&str>, algorithm: Algorithm) -> Result<Vec<&'a Key>, Mismatch> {
    let is_named = |key: &&Key| kid.is_some() && key.id.as_deref() == kid;
    let mut named: Vec<&Key> = keys.iter().filter(is_named).collect();
    if named.is_empty() {
        // A name is a hint: keys without one may be meant.
        named = keys.iter().filter(|key| kid.is_none() || key.id.is_none()).collect();
    }
    if named.is_empty() {
        return Err(Mismatch::Unknown);
    }
    named.retain(|key| key.fits.contains(&algorithm));
    named.truncate(MOST_TRIED);
    match named.is_empty() {
        true => Err(Mismatch::Algorithm),
        false => Ok(named),
    }
}

/// Why no key fits a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// No key has the name that it gives.
    Unknown,
    /// The keys are not for its algorithm.
    Algorithm,
}
