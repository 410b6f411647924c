//! The suite that every connector passes. An answer is this connector's acknowledgement.
//!
//! In: one connection per run. Out: nothing, when it holds.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use turted_core::testkit::{Run, Subject, every_connector};
use turted_tcp::TcpConnector;

use crate::support::{built, free, push};

struct Lines {
    address: SocketAddr,
    wire: Option<TcpStream>,
    unanswered: usize,
}

impl Lines {
    async fn write(&mut self, line: &str) {
        if self.wire.is_none() {
            self.wire = Some(TcpStream::connect(self.address).await.unwrap());
        }
        self.wire.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
        self.unanswered += 1;
    }
}

impl Subject for Lines {
    type Connector = TcpConnector;

    fn connector(&mut self) -> TcpConnector {
        (self.wire, self.unanswered) = (None, 0);
        built(json!({"address": self.address.to_string(), "answers": true})).unwrap()
    }

    async fn send(&mut self, _run: &Run, number: u64) {
        self.write(&push(number)).await;
    }

    async fn send_malformed(&mut self, _run: &Run) {
        self.write("{\"event\": \n").await;
    }

    async fn unacknowledged(&mut self) -> Option<usize> {
        let mut answers = [0; 1024];
        let read = self
            .wire
            .as_ref()
            .map_or(Ok(0), |wire| wire.try_read(&mut answers))
            .unwrap_or(0);
        self.unanswered -= answers[..read].iter().filter(|byte| **byte == b'\n').count();
        Some(self.unanswered)
    }
}

#[tokio::test]
async fn it_passes_the_suite() {
    every_connector(Lines {
        address: free(Ipv4Addr::LOCALHOST),
        wire: None,
        unanswered: 0,
    })
    .await;
}
