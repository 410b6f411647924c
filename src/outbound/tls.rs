//! Whom turted trusts when it is the client.
//!
//! In: the certificate authorities of the system, or those in the file that `SSL_CERT_FILE` names. Out: what a TLS
//! client needs. HTTP/1.1 only: nothing that is asked gains by HTTP/2, and a WebSocket needs it.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// What TLS needs that this system does not have.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoTls {
    /// There is nobody to trust.
    #[error(
        "found no certificate authorities on this system; install ca-certificates, or name a PEM file in SSL_CERT_FILE"
    )]
    NoAuthorities,
    /// There is no cipher for the versions of TLS.
    #[error("failed to set up TLS: {0}")]
    Setup(String),
}

/// Trusts whom the system trusts.
///
/// # Errors
/// When it trusts nobody.
pub fn client_config() -> Result<ClientConfig, NoTls> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(NoTls::NoAuthorities);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| NoTls::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
