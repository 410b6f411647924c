//! The driver has a thread for each connection. In: peers that accept and say nothing. Out: no thread of a connection
//! that was given up. Alone in its process, to count threads.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(target_os = "linux")]

use turted_core::ConnectorConfig;
use turted_core::testkit::{Recorder, soon, start};
use turted_rabbitmq::RabbitmqConfig;

fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("lapin")).count()
}

#[tokio::test]
async fn a_connection_that_was_given_up_leaves_no_thread() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for scheme in ["amqp", "amqps", "amqp"] {
        let settings = serde_json::json!({
            "url": format!("{scheme}://127.0.0.1:{port}/?connection_timeout=200"),
            "queue": "q",
        });
        let config: RabbitmqConfig = serde_json::from_value(settings).unwrap();
        let run = start(config.build().unwrap(), &Recorder::default());
        run.ended().await.unwrap_err();
    }
    let gone = async {
        while threads() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of every thread", gone).await;
}
