//! Reads a certificate and its key.
//!
//! In: the names of two files. Out: what TLS needs, or which file is wrong and why. No byte of a key gets into an
//! error.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ServeError;
use crate::config::Tls;

/// What every connection is made with. Also finds that the two do not belong together.
pub fn load(files: &Tls) -> Result<rustls::ServerConfig, ServeError> {
    let certificate = |error: &dyn std::fmt::Display| wrong("tls.cert", &files.cert, error);
    let key = |error: &dyn std::fmt::Display| wrong("tls.key", &files.key, error);
    let chain = CertificateDer::pem_file_iter(&files.cert).map_err(|error| certificate(&error))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|error| certificate(&error))?;
    if chain.is_empty() {
        return Err(certificate(&"there is no certificate in it (PEM)"));
    }
    let secret = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| key(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| certificate(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, secret);
    config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => key(&format!("it does not belong to {}", files.cert.display())),
        rustls::Error::InvalidCertificate(_) => certificate(&error),
        error => key(&error),
    })
}

fn wrong(which: &'static str, path: &Path, error: &dyn std::fmt::Display) -> ServeError {
    ServeError::Tls(which, format!("{}: {error}", path.display()))
}
