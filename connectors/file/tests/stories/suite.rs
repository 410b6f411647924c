//! What every connector promises, for this one.

use std::fs;

use serde_json::json;
use turted_core::testkit::{Run, Subject, every_connector};
use turted_file::FileConnector;

use crate::support::{Logs, inode, position};

struct Lines {
    logs: Logs,
    watch: &'static str,
}

impl Subject for Lines {
    type Connector = FileConnector;

    fn connector(&mut self) -> FileConnector {
        self.logs.connector(&json!({
            "state_file": "state.json",
            "format": "json",
            "watch": self.watch,
            "poll": "20ms",
            "envelope": {"event": "E", "channels": "c", "payload": "{json}"},
        }))
    }

    async fn send(&mut self, _: &Run, number: u64) {
        self.logs.append("app.log", format!("{number}\n"));
    }

    async fn send_malformed(&mut self, _: &Run) {
        self.logs.append("app.log", "{no json\n");
    }

    async fn unacknowledged(&mut self) -> Option<usize> {
        let path = self.logs.path("app.log");
        let saved = position(&self.logs.path("state.json"), inode(&path)).unwrap_or_default();
        let text = fs::read(path).unwrap();
        let rest = text.get(usize::try_from(saved).unwrap()..).unwrap_or_default();
        Some(rest.iter().filter(|byte| **byte == b'\n').count())
    }
}

#[tokio::test]
async fn it_passes_what_every_connector_passes() {
    for watch in ["notify", "poll"] {
        let logs = Logs::new();
        logs.append("app.log", "");
        every_connector(Lines { logs, watch }).await;
    }
}
