//! A peer that speaks HTTP/2 behind TLS, as browsers do.
//!
//! In: a server with a certificate made for it. Out: requests on one connection, and what was answered. It says
//! `:authority` and no `Host`.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server::opened;
use super::{Server, within};

/// The name in the certificate.
pub const NAME: &str = "push.example.test";

/// A server that speaks HTTPS, and who it is.
pub struct Secure {
    /// The server.
    pub server: Server,
    certificate: CertificateDer<'static>,
}

impl Secure {
    /// Starts one with further settings.
    pub fn with(settings: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let tls = format!("tls.cert = '{}'\ntls.key = '{}'", path("cert.pem"), path("key.pem"));
        Self {
            server: Server::within_folder(folder, &format!("{tls}\n{settings}")),
            certificate: made.cert.der().clone(),
        }
    }

    /// As [`with`](Self::with), one that is public and open to everybody all the same.
    pub fn public(settings: &str) -> Self {
        Self::with(&opened(settings))
    }

    /// A TLS connection on which one of these protocols was agreed.
    pub async fn wire(&self, protocols: &[&str]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let connect =
            TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), self.server.wire().await);
        within("the TLS handshake", connect).await.unwrap()
    }

    /// The port.
    pub fn port(&self) -> &str {
        self.server.address.rsplit(':').next().unwrap()
    }

    /// An HTTP/2 connection.
    pub async fn connect(&self) -> Http2 {
        let handshake = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .handshake(self.wire(&["h2"]).await);
        let (sender, connection) = within("the HTTP/2 handshake", handshake).await.unwrap();
        // It ends with the server or with the test.
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Http2 {
            base: format!("https://{NAME}:{}", self.port()),
            sender,
            connection,
        }
    }
}

/// One connection.
pub struct Http2 {
    /// The origin of the server's own pages.
    pub base: String,
    sender: SendRequest<Bytes>,
    connection: JoinHandle<()>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Http2 {
    /// Sends the head of a request and, if there is one, its whole body.
    pub async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> (ResponseFuture, h2::SendStream<Bytes>) {
        let mut request = http_0_2::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let ready = self.sender.clone().ready();
        self.sender = within("room for a request", ready).await.unwrap();
        let is_whole = method != "POST";
        let (answer, mut stream) = self.sender.send_request(request.body(()).unwrap(), is_whole).unwrap();
        if let Some(body) = body {
            stream.send_data(Bytes::copy_from_slice(body), true).unwrap();
        }
        (answer, stream)
    }

    /// Breaks the connection off, with all that is under way on it.
    pub async fn cut(self) {
        self.connection.abort();
        let _ = self.connection.await;
    }

    /// The answer to a whole request.
    pub async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let body = (method == "POST").then_some(body);
        let (answer, _stream) = self.begin(method, path, headers, body).await;
        Self::answer(answer).await
    }

    /// Waits for an answer and reads it to its end.
    pub async fn answer(answer: ResponseFuture) -> Answer {
        let answer = within("an answer", answer).await.unwrap();
        let (parts, mut rest) = answer.into_parts();
        let mut body = Vec::new();
        while let Some(chunk) = within("the rest of an answer", rest.data()).await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                // Answered before the request was read to its end: what was said stands (RFC 9113 section 8.1).
                Err(error) if error.is_reset() && error.reason() == Some(h2::Reason::NO_ERROR) => break,
                Err(error) => panic!("{error}"),
            };
            rest.flow_control().release_capacity(chunk.len()).unwrap();
            body.extend_from_slice(&chunk);
        }
        Answer {
            status: parts.status.as_u16(),
            body,
        }
    }
}
