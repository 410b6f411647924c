//! The cryptography below tokens: what signs and what verifies is `ring`, which rustls brings.
//!
//! In: a key, an algorithm, a message. Out: a signature, or whether one holds. Refuses to know: what a token says, and
//! where a key comes from. Keys that are too small, or of another curve than the algorithm, verify nothing.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result, new_error};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::hmac;
use ring::signature as public;

/// What `jsonwebtoken` is to use. Without one its first use of a key would be a panic.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
        rsa_pub_components_from_public_key: |_| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
        ec_pub_components_from_private_key: |_, _| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
        ed_pub_components_from_private_key: |_, _| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
        compute_digest: |_, _| Err(new_error(ErrorKind::UnsupportedAlgorithm)),
    },
};

/// Makes sure that there is a provider; one that an embedding program has chosen stays.
pub fn install() {
    let _ = PROVIDER.install_default();
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    // Tokens are made with shared secrets only: whoever has a private key has a program that makes tokens.
    let hash = hash(*algorithm).filter(|_| key.family() == algorithm.family());
    let hash = hash.ok_or_else(|| new_error(ErrorKind::UnsupportedAlgorithm))?;
    Ok(Box::new(Shared {
        algorithm: *algorithm,
        key: hmac::Key::new(hash, key.as_bytes()),
    }))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidAlgorithm));
    }
    let algorithm = *algorithm;
    if let Some(hash) = hash(algorithm) {
        let key = hmac::Key::new(hash, key.try_get_as_bytes()?);
        return Ok(Box::new(Shared { algorithm, key }));
    }
    Ok(Box::new(Public {
        algorithm,
        key: key.clone(),
    }))
}

fn hash(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// A secret that two parties share.
struct Shared {
    algorithm: Algorithm,
    key: hmac::Key,
}

impl Signer<Vec<u8>> for Shared {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(hmac::sign(&self.key, message).as_ref().to_vec())
    }
}

impl JwtSigner for Shared {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Shared {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        // In constant time, and in full: a shorter tag is none.
        hmac::verify(&self.key, message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Shared {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// A public key.
struct Public {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Public {
    fn holds(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let rsa = match self.algorithm {
            Algorithm::RS256 => &public::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RS384 => &public::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &public::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::PS256 => &public::RSA_PSS_2048_8192_SHA256,
            Algorithm::PS384 => &public::RSA_PSS_2048_8192_SHA384,
            Algorithm::PS512 => &public::RSA_PSS_2048_8192_SHA512,
            Algorithm::ES256 => return self.plain(&public::ECDSA_P256_SHA256_FIXED, message, signature),
            Algorithm::ES384 => return self.plain(&public::ECDSA_P384_SHA384_FIXED, message, signature),
            Algorithm::EdDSA => return self.plain(&public::ED25519, message, signature),
            // Whatever comes with a newer release is not known here.
            _ => return None,
        };
        match self.key.kind() {
            DecodingKeyKind::SecretOrDer(_) => self.plain(rsa, message, signature),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let key = public::RsaPublicKeyComponents {
                    n: trimmed(n),
                    e: trimmed(e),
                };
                key.verify(rsa, message, signature).ok()
            }
        }
    }

    fn plain(&self, by: &'static dyn public::VerificationAlgorithm, message: &[u8], signature: &[u8]) -> Option<()> {
        let key = self.key.try_get_as_bytes().ok()?;
        public::UnparsedPublicKey::new(by, key).verify(message, signature).ok()
    }
}

/// Without zeros in front: some make them, and ring takes none.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

impl Verifier<Vec<u8>> for Public {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        self.holds(message, signature).ok_or_else(Error::new)
    }
}

impl JwtVerifier for Public {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
