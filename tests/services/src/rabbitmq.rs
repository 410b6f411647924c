//! A RabbitMQ broker.
//!
//! In: nothing, or lines of its configuration. Out: a URL, and its life and death: it can be stopped, killed and
//! started again with the same port and the same data. Several run at once: each has its own name, ports, port mapper
//! and files.

use std::process::{Command, ExitStatus};

use crate::{Process, Scratch, free_port, until_it_listens};

/// Where Debian keeps the scripts themselves; those in the path change the user.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";

/// A broker, running or not.
pub struct Broker {
    /// Its port for AMQP.
    pub port: u16,
    /// Its port for AMQP over TLS, when its configuration names certificates.
    pub tls_port: u16,
    mapper_port: u16,
    distribution_port: u16,
    server: Option<Process>,
    _mapper: Process,
    // Dropped last.
    folder: Scratch,
}

impl Broker {
    /// Starts one and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one with lines of `rabbitmq.conf`; `{tls_port}` in them is a free port.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn with(settings: &str) -> Self {
        let folder = Scratch::new();
        let (mapper_port, tls_port) = (free_port(), free_port());
        let settings = settings.replace("{tls_port}", &tls_port.to_string());
        std::fs::write(
            folder.path().join("rabbitmq.conf"),
            format!("log.console = false\n{settings}\n"),
        )
        .unwrap();
        std::fs::write(folder.path().join("plugins"), "[].\n").unwrap();
        let mut command = Command::new("epmd");
        command.args(["-address", "127.0.0.1", "-port", &mapper_port.to_string()]);
        let mut mapper = Process::start(command, folder.path(), "erlang-base");
        until_it_listens(&mut mapper, mapper_port);
        let mut broker = Self {
            port: free_port(),
            tls_port,
            mapper_port,
            distribution_port: free_port(),
            server: None,
            _mapper: mapper,
            folder,
        };
        broker.start_again();
        broker
    }

    /// Starts it again, with what it kept.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        // `detached` makes the script become the server instead of its parent.
        let mut command = self.script("rabbitmq-server");
        command.env("detached", "true");
        let mut server = Process::start(command, self.folder.path(), "rabbitmq-server");
        until_it_listens(&mut server, self.port);
        self.server = Some(server);
        // It listens a moment before it has finished.
        self.ctl(&["await_startup"]);
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
    pub fn freeze(&self, frozen: bool) {
        if let Some(server) = &self.server {
            server.signal(if frozen { "STOP" } else { "CONT" });
        }
    }

    /// The URL for its default user.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for("guest", "guest")
    }

    /// The URL for a user.
    #[must_use]
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("amqp://{user}:{password}@127.0.0.1:{}/%2f", self.port)
    }

    /// Runs `rabbitmqctl` and gives what it wrote.
    ///
    /// # Panics
    /// When it fails.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let output = self
            .script("rabbitmqctl")
            .arg("--quiet")
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(
            output.status.success(),
            "rabbitmqctl {arguments:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// A number that it knows of a queue, such as `messages_ready` or `messages_unacknowledged`; `None` when there is
    /// no such queue.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn count(&self, queue: &str, what: &str) -> Option<usize> {
        let table = self.ctl(&["list_queues", "--no-table-headers", "name", what]);
        let rows = table.lines().filter_map(|line| line.split_once('\t'));
        rows.into_iter().find(|(name, _)| *name == queue)?.1.trim().parse().ok()
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(format!("{SCRIPTS}/{name}"));
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| name.to_string_lossy().starts_with("RABBITMQ_")) {
            command.env_remove(name);
        }
        let path = |file: &str| self.folder.path().join(file);
        // HOME: its secret for talking to itself lies there.
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("turted-{}@localhost", self.port))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("RABBITMQ_CTL_DIST_PORT_MIN", "10000")
            .env("RABBITMQ_CTL_DIST_PORT_MAX", "32000")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins"))
            .env("RABBITMQ_MNESIA_BASE", path("data"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_FEATURE_FLAGS_FILE", path("flags"))
            .env("RABBITMQ_PLUGINS_EXPAND_DIR", path("expanded"))
            .env("RABBITMQ_PID_FILE", path("pid"));
        command
    }
}
