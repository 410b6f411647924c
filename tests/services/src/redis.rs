//! A Redis server, and the few words of its protocol that a test needs.
//!
//! In: nothing, or lines of its configuration. Out: a URL, answers to commands, and its life and death: it can be
//! stopped, killed and started again with the same port and the same data. It does not use the client that the
//! connector uses, so that the two cannot err together.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::Instant;

use crate::{PATIENCE, PAUSE, Process, Scratch, free_port, until_it_listens};

/// A server, running or not.
pub struct Redis {
    /// Its port.
    pub port: u16,
    /// Its port for TLS, when its configuration names it.
    pub tls_port: u16,
    password: Option<String>,
    server: Option<Process>,
    // Dropped last.
    folder: Scratch,
}

impl Redis {
    /// Starts one that writes down every change.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one with lines of `redis.conf`; `{tls_port}` in them is a free port, `{folder}` its folder.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn with(settings: &str) -> Self {
        let mut redis = Self::absent(settings);
        redis.start_again();
        redis
    }

    /// Has one in mind, with a port and a folder, but does not start it.
    ///
    /// # Panics
    /// When there is no room for its folder.
    #[must_use]
    pub fn absent(settings: &str) -> Self {
        let (folder, port, tls_port) = (Scratch::new(), free_port(), free_port());
        let at = folder.path().to_string_lossy().into_owned();
        let settings = settings
            .replace("{tls_port}", &tls_port.to_string())
            .replace("{folder}", &at);
        let password = settings
            .lines()
            .find_map(|line| line.strip_prefix("requirepass "))
            .map(str::to_owned);
        // Later lines win.
        let config = format!(
            "bind 127.0.0.1\nport {port}\ndir {at}\nunixsocket {at}/socket\nsave \"\"\nappendonly yes\n{settings}\n"
        );
        std::fs::write(folder.path().join("redis.conf"), config).unwrap();
        Self {
            port,
            tls_port,
            password,
            server: None,
            folder,
        }
    }

    /// Starts it again, with what it kept, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        let mut command = Command::new("redis-server");
        command.arg(self.folder.path().join("redis.conf"));
        let mut server = Process::start(command, self.folder.path(), "redis-server");
        until_it_listens(&mut server, self.port);
        self.server = Some(server);
        let begun = Instant::now();
        // It listens before it has read its data.
        while self.ask(&["PING"]) != Reply::Text(b"PONG".to_vec()) {
            assert!(begun.elapsed() < PATIENCE, "redis does not get ready");
            sleep(PAUSE);
        }
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
    /// When it is gone.
    pub fn freeze(&self, frozen: bool) {
        if let Some(server) = &self.server {
            server.signal(if frozen { "STOP" } else { "CONT" });
        }
    }

    /// Forgets all that it has written down; for a server that does not run.
    ///
    /// # Panics
    /// When the files cannot be removed.
    pub fn lose_data(&self) {
        let written = self.folder.path().join("appendonlydir");
        if written.exists() {
            std::fs::remove_dir_all(written).unwrap();
        }
    }

    /// Its URL, with its password if it has one.
    #[must_use]
    pub fn url(&self) -> String {
        let login = self
            .password
            .as_ref()
            .map_or(String::new(), |password| format!(":{password}@"));
        format!("redis://{login}127.0.0.1:{}", self.port)
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection, logged in.
    ///
    /// # Panics
    /// When it cannot be reached.
    #[must_use]
    pub fn client(&self) -> Client {
        let mut client = Client::over(TcpStream::connect(("127.0.0.1", self.port)).unwrap());
        if let Some(password) = &self.password {
            assert!(!matches!(client.ask(&["AUTH", password]), Reply::Error(_)));
        }
        client
    }

    /// The answer to one command on a connection of its own.
    ///
    /// # Panics
    /// When there is none.
    pub fn ask(&self, command: &[impl AsRef<[u8]>]) -> Reply {
        self.client().ask(command)
    }

    /// The answer to a command that must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub fn must(&self, command: &[&str]) -> Reply {
        let reply = self.ask(command);
        assert!(!matches!(reply, Reply::Error(_)), "{command:?}: {reply:?}");
        reply
    }

    /// How many entries the members of a group have taken and not acknowledged; 0 for a group that is not there.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn pending(&self, stream: &str, group: &str) -> usize {
        match self.ask(&["XPENDING", stream, group]) {
            Reply::List(list) => list[0].number(),
            _ => 0,
        }
    }
}

/// A connection to a server.
pub struct Client(BufReader<TcpStream>);

impl Client {
    /// A connection that exists, not logged in.
    ///
    /// # Panics
    /// When the system does not let it be used.
    #[must_use]
    pub fn over(wire: TcpStream) -> Self {
        wire.set_nodelay(true).unwrap();
        wire.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(wire))
    }

    /// The answer to a command.
    ///
    /// # Panics
    /// When there is none.
    pub fn ask(&mut self, command: &[impl AsRef<[u8]>]) -> Reply {
        self.say(command).expect("the server hears");
        self.answer().expect("the server answers")
    }

    /// The answers to many commands, which are sent at once.
    ///
    /// # Panics
    /// When one is missing.
    pub fn ask_all(&mut self, commands: &[Vec<String>]) -> Vec<Reply> {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| words(command)).collect();
        self.0.get_mut().write_all(&bytes).expect("the server hears");
        commands
            .iter()
            .map(|_| self.answer().expect("the server answers"))
            .collect()
    }

    /// Sends a command; an error when the connection is lost.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn say(&mut self, command: &[impl AsRef<[u8]>]) -> std::io::Result<()> {
        self.0.get_mut().write_all(&words(command))
    }

    /// The next answer; an error when the connection is lost.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn answer(&mut self) -> std::io::Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        Ok(match kind {
            "+" => Reply::Text(rest.into()),
            "-" => Reply::Error(rest.into()),
            ":" => Reply::Number(rest.parse().unwrap()),
            "$" if rest == "-1" => Reply::Nil,
            "*" if rest == "-1" => Reply::Nil,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Reply::Text(bytes)
            }
            "*" => {
                let count = rest.parse::<usize>().unwrap();
                Reply::List((0..count).map(|_| self.answer()).collect::<Result<_, _>>()?)
            }
            _ => panic!("redis said {line:?}"),
        })
    }
}

fn words(command: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A text, or bytes.
    Text(Vec<u8>),
    /// A number.
    Number(i64),
    /// Nothing.
    Nil,
    /// Several of them.
    List(Vec<Reply>),
    /// A complaint.
    Error(String),
}

impl Reply {
    /// The number that it is.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn number(&self) -> usize {
        match self {
            Self::Number(number) => usize::try_from(*number).unwrap(),
            other => panic!("{other:?} is not a number"),
        }
    }

    /// The text that it is.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?} is not a text"),
        }
    }

    /// The list that it is.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn list(&self) -> &[Reply] {
        match self {
            Self::List(list) => list,
            other => panic!("{other:?} is not a list"),
        }
    }
}
