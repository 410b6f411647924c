//! The same doors behind TLS, with a certificate made for the test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Request, Server, within};

/// A server with a certificate, and who has to be trusted to reach it.
pub fn secured() -> (Server, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let settings = format!("tls.cert = '{}'\ntls.key = '{}'", path("cert.pem"), path("key.pem"));
    let server = Server::within_folder(folder, &settings);
    assert_eq!(server.scheme, "https", "{}", server.log());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    (server, roots)
}

/// A connection on which this protocol is spoken (ALPN), or none is agreed on.
pub async fn connect(server: &Server, roots: RootCertStore, protocol: Option<&str>) -> TlsStream<TcpStream> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let mut config = config
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocol.iter().map(|name| name.as_bytes().to_vec()).collect();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let wire = within("the TLS handshake", connector.connect(name, server.wire().await));
    wire.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_speaks_https() {
    let (server, roots) = secured();
    let wire = connect(&server, roots, None).await;
    let reply = Request::new("POST", "/push/").body("{}").send(wire, "localhost").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "OK"));

    // Somebody who speaks plain HTTP to it gets no answer, and nobody is harmed.
    let mut plain = server.wire().await;
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = within("the server to hang up", plain.read_to_end(&mut answer)).await;
    assert!(
        !answer.starts_with(b"HTTP/1.1 2"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_behind_tls_is_over_when_both_have_said_so() {
    let (server, roots) = secured();
    for protocol in [Some("http/1.1"), None, Some("http/1.1")] {
        let mut wire = connect(&server, roots.clone(), protocol).await;
        // With a close frame behind it, masked with zeros.
        let request = [
            &Request::upgrade("/ws").bytes("localhost")[..],
            b"\x88\x82\0\0\0\0\x03\xe8",
        ]
        .concat();
        wire.write_all(&request).await.unwrap();
        let (begun, mut heard) = (Instant::now(), Vec::new());
        // RFC 6455, section 7.1.1: the server closes at once. Without `close_notify` this would be an error.
        within("the end", wire.read_to_end(&mut heard)).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert!(
            heard.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&heard)
        );
        let tcp = wire.get_ref().0;
        let closed = async {
            tcp.readable().await.unwrap();
            tcp.try_read(&mut [0; 16])
        };
        assert_eq!(within("the end of TCP", closed).await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_behind_tls_is_not_lost_under_what_its_sender_still_says() {
    let (server, roots) = secured();
    for _ in 0..5 {
        let wire = connect(&server, roots.clone(), None).await;
        let large = Request::post("/push/", vec![b'x'; 4 << 20]);
        assert_eq!(large.send(wire, "localhost").await.status, 413);
    }
}
