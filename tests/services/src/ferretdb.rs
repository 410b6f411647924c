//! FerretDB, which speaks MongoDB's protocol and keeps its data in SQLite.
//!
//! In: nothing, or a user. Out: a URL, and its life and death: it can be stopped, killed and started again with the
//! same port and the same data. `tests/services/ferretdb.sh` builds the program once.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use crate::{Process, Scratch, free_port, until_it_listens};

/// A server, running or not.
pub struct Ferret {
    /// Its port.
    pub port: u16,
    login: Option<(String, String)>,
    server: Option<Process>,
    // Dropped last.
    folder: Scratch,
}

impl Ferret {
    /// Starts one that asks nobody who it is.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let mut ferret = Self::absent(None);
        ferret.start_again();
        ferret
    }

    /// Starts one that lets only this user in.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn guarded(user: &str, password: &str) -> Self {
        let mut ferret = Self::absent(Some((user.to_owned(), password.to_owned())));
        ferret.start_again();
        ferret
    }

    /// Has one in mind, with a port and a folder, but does not start it.
    ///
    /// # Panics
    /// When there is no room for its folder.
    #[must_use]
    pub fn absent(login: Option<(String, String)>) -> Self {
        Self {
            port: free_port(),
            login,
            server: None,
            folder: Scratch::new(),
        }
    }

    /// Starts it again, with what it kept.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        let folder = self.folder.path();
        let mut command = Command::new(program());
        command
            .current_dir(folder)
            .env_clear()
            .arg("--handler=sqlite")
            .arg(format!("--sqlite-url=file:{}/", folder.display()))
            .arg(format!("--state-dir={}", folder.display()))
            .arg(format!("--listen-addr=127.0.0.1:{}", self.port))
            .args(["--debug-addr=-", "--telemetry=disable", "--log-level=WARN"]);
        if let Some((user, password)) = &self.login {
            command
                .args(["--test-enable-new-auth", "--setup-database=admin"])
                .arg(format!("--setup-username={user}"))
                .arg(format!("--setup-password={password}"));
        }
        let mut server = Process::start(command, folder, "golang, then tests/services/ferretdb.sh");
        until_it_listens(&mut server, self.port);
        self.server = Some(server);
    }

    /// Stops it in good order.
    ///
    /// # Panics
    /// When it takes too long.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.server.take().map(Process::stop)
    }

    /// Kills it, as a lack of power would.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Stops the clock for it (`true`): connections stay, but nobody answers; or lets it go on.
    ///
    /// # Panics
    /// When there is no `kill`.
    pub fn freeze(&self, frozen: bool) {
        if let Some(server) = &self.server {
            server.signal(if frozen { "STOP" } else { "CONT" });
        }
    }

    /// The URL of a database, with its user if it has one.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        match &self.login {
            Some((user, password)) => {
                let port = self.port;
                format!("mongodb://{user}:{password}@127.0.0.1:{port}/{database}?authSource=admin")
            }
            None => format!("mongodb://127.0.0.1:{}/{database}", self.port),
        }
    }
}

/// Where the program is, which is built when it is not there yet.
fn program() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ferretdb.sh");
    let built = Command::new(script).output();
    match built {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().into(),
        Ok(output) => panic!(
            "this test needs FerretDB, and {script} does not build it: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("this test needs {script}, which does not run: {error}"),
    }
}
