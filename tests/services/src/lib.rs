//! Real services for tests: each on free ports, with files of its own, gone when the test is.
//!
//! In: what a test wants of a service. Out: where it listens. Whatever is started here ends with the process that
//! started it, even when that is killed. A service that is not installed fails the test with a sentence that says what
//! to install. For tests only: it panics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "nothing but the test waits for a service to start or to end"
)]

pub mod ferretdb;
mod process;
pub mod rabbitmq;
pub mod redis;

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use process::Process;
use process::Watch;

/// How long a service may take to start or to stop. Generous: a busy machine must not fail a test.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Between two looks at something that sends no notice.
const PAUSE: Duration = Duration::from_millis(20);

/// A port on which nobody listens, below those that the system hands out by itself: it is free again after a restart.
#[must_use]
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until `service` accepts connections on a port of this machine.
///
/// # Panics
/// When it ends instead, or takes longer than [`PATIENCE`]; with what it wrote.
pub fn until_it_listens(service: &mut Process, port: u16) {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            service.is_alive(),
            "{} ended instead of listening:\n{}",
            service.name,
            service.output()
        );
        assert!(
            begun.elapsed() < PATIENCE,
            "{} does not listen:\n{}",
            service.name,
            service.output()
        );
        sleep(PAUSE);
    }
}

/// A folder that is gone when the value is, or the process.
pub struct Scratch {
    folder: TempDir,
    _watch: Watch,
}

impl Scratch {
    /// A new empty folder.
    ///
    /// # Panics
    /// When there is no room for one.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("turted-").unwrap();
        let _watch = Watch::new("rm -rf -- \"$1\"", &folder.path().to_string_lossy());
        Self { folder, _watch }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}
