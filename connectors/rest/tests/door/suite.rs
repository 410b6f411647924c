//! The suite that every connector passes. A backend that was told 503 sends again.
//!
//! In: requests to the door of a run. Out: nothing, when the suite holds.

use bytes::Bytes;
use http::{Request, StatusCode};
use turted_core::ConnectorConfig;
use turted_core::testkit::{PASSWORD, Run, Subject, every_connector};
use turted_rest::{RestConfig, RestConnector};

use crate::support::post;

struct Backend;

impl Backend {
    /// Answers with the status of the last attempt.
    async fn push(&self, run: &Run, body: &str) -> StatusCode {
        let bearer = format!("Bearer {PASSWORD}");
        loop {
            let request: Request<Bytes> = post("/push/", &[("authorization", &bearer)], body);
            let door = &run.endpoint.as_ref().unwrap().door;
            match door.answer(request).await.status() {
                StatusCode::SERVICE_UNAVAILABLE => tokio::task::yield_now().await,
                status => return status,
            }
        }
    }
}

impl Subject for Backend {
    type Connector = RestConnector;

    fn connector(&mut self) -> RestConnector {
        RestConfig::default().build().unwrap()
    }

    async fn send(&mut self, run: &Run, number: u64) {
        let body = format!(r#"{{"event":"E","targets":{{"channels":"c"}},"payload":{number}}}"#);
        assert_eq!(self.push(run, &body).await, StatusCode::OK);
    }

    async fn send_malformed(&mut self, run: &Run) {
        assert_eq!(self.push(run, "{\"event\": ").await, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn it_passes_the_suite() {
    every_connector(Backend).await;
}
