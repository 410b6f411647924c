//! One `turted serve` of its own for each test.
//!
//! In: settings. Out: its address, its log, and what its doors answer. The process dies with the value, and its log is
//! shown when the test has failed.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::http::{Reply, Request};
use super::{Client, PATIENCE, Value, json, to_all, within};

/// The binary under test.
pub const TURTED: &str = env!("CARGO_BIN_EXE_turted");

/// What every server here is started with; tests add to it.
const BASE: &str = "server.listen = \"127.0.0.1:0\"\nserver.workers = 2\nconnectors.rest.type = \"rest\"\n";

/// What makes a public server one that everybody may enter, and where everybody may join everything.
pub const OPEN: &str = "may.anyone.join = [\"**\"]\nauth.clients = { type = \"accept_all\", anywhere = true }\n";

/// These settings for a public server that everybody may enter, by the backends' door too unless they say otherwise.
pub fn opened(settings: &str) -> String {
    let backends = match settings.contains("auth.backends") {
        true => "",
        false => "auth.backends = { type = \"accept_all\", anywhere = true }\n",
    };
    format!("{OPEN}{backends}{settings}")
}

/// A running server.
pub struct Server {
    child: Child,
    /// Host and port, as in `127.0.0.1:41234`.
    pub address: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    folder: TempDir,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts one with the default settings.
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one with further settings, lines such as `limits.ping = "1s"`.
    pub fn with(settings: &str) -> Self {
        Self::within_folder(tempfile::tempdir().unwrap(), settings)
    }

    /// As [`with`](Self::with), one that is public and open to everybody all the same.
    pub fn public(settings: &str) -> Self {
        Self::with(&opened(settings))
    }

    /// Starts one with an open standard input.
    pub fn piped(settings: &str) -> (Self, ChildStdin) {
        let mut server = Self::launch(tempfile::tempdir().unwrap(), settings, Stdio::piped(), &[]);
        let input = server.child.stdin.take().expect("it was piped");
        (server, input)
    }

    /// Starts one whose settings name files of `folder`.
    pub fn within_folder(folder: TempDir, settings: &str) -> Self {
        Self::launch(folder, settings, Stdio::null(), &[])
    }

    /// Starts one with variables in its environment.
    pub fn with_env(settings: &str, variables: &[(&str, &str)]) -> Self {
        Self::launch(tempfile::tempdir().unwrap(), settings, Stdio::null(), variables)
    }

    fn launch(folder: TempDir, settings: &str, input: Stdio, variables: &[(&str, &str)]) -> Self {
        let config = folder.path().join("turted.toml");
        std::fs::write(&config, format!("{BASE}{settings}\n")).unwrap();
        let mut command = turted(folder.path());
        command
            .args(["serve", "--config"])
            .arg(&config)
            .env("TURTED_LOGLEVEL", "debug")
            .envs(variables.iter().copied());
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, heard) = channel();
        listen(child.stdout.take().unwrap(), log.clone(), lines.clone());
        listen(child.stderr.take().unwrap(), log.clone(), lines);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = heard.recv_timeout(left) else {
                let _ = (child.kill(), child.wait());
                panic!("the server did not say where it listens:\n{}", log.lock().unwrap());
            };
            if let Some((scheme, address)) = listening(&line) {
                return Self {
                    child,
                    address,
                    scheme,
                    folder,
                    log,
                };
            }
        }
    }

    /// The base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("turted.toml")
    }

    /// All that it has written so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// A bare connection.
    pub async fn wire(&self) -> TcpStream {
        within("a TCP connection", TcpStream::connect(&self.address))
            .await
            .expect("the server accepts")
    }

    /// A client that has had its WELCOME.
    pub async fn client(&self) -> Client {
        Client::connect(self).await
    }

    /// A client with a user.
    pub async fn user(&self, name: &str) -> Client {
        let mut client = self.client().await;
        let answer = client.ask("IDENT", json!({"username": name})).await;
        assert_eq!(
            (&answer["type"], &answer["data"]["username"]),
            (&json!("OK"), &json!(name))
        );
        client
    }

    /// A client in some channels.
    pub async fn member(&self, channels: &[&str]) -> Client {
        let mut client = self.client().await;
        for channel in channels {
            client.join(channel).await;
        }
        client
    }

    /// The answer to one HTTP request.
    pub async fn ask(&self, request: Request) -> Reply {
        let wire = self.wire().await;
        request.send(wire, &self.address).await
    }

    /// The answer to a GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.ask(Request::new("GET", path)).await
    }

    /// The status of an answer, whose body may never end.
    pub async fn get_status(&self, request: Request) -> u16 {
        super::Stream::open(self, request).await.status()
    }

    /// The answer to a push as the original gives it.
    pub async fn push(&self, push: &Value) -> Reply {
        self.ask(Request::new("POST", "/push/").body(push.to_string())).await
    }

    /// The receipt of a push that must succeed.
    pub async fn receipt(&self, push: &Value) -> Value {
        let reply = self.ask(Request::json("/push/", push)).await;
        assert_eq!(reply.status, 200, "{push} was answered with {}", reply.text());
        reply.value()
    }

    /// Proves that somebody else is still served: connect, be told, be answered.
    pub async fn still_serves(&self) {
        let mut client = self.client().await;
        client.join("still-here").await;
        let receipt = self
            .receipt(&super::to_channel("still-here", "STILL:HERE", json!(1)))
            .await;
        assert_eq!(receipt["recipients"], 1);
        assert_eq!(client.event().await["data"]["event"], "STILL:HERE");
        assert_eq!(self.push(&to_all("ALL", json!({}))).await.text(), "OK");
    }

    /// Its resident memory in bytes.
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// The processor time it has used so far. The kernel counts in hundredths of a second.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// Asks it to stop, as an init system does.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        // The shell's own `kill`: the program of that name is missing on small systems.
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{name} {}", self.child.id()))
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server did not end within {PATIENCE:?}");
            tokio::time::sleep(PATIENCE / 1000).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- what the server said ---\n{}---", self.log());
        }
    }
}

/// The binary with an environment that changes nothing and `folder` as its current folder.
pub fn turted(folder: &Path) -> Command {
    let mut command = Command::new(TURTED);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TURTED_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn listen(pipe: impl Read + Send + 'static, log: Arc<Mutex<String>>, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            log.lock().unwrap().push_str(&format!("{line}\n"));
            let _ = lines.send(line);
        }
    });
}

fn listening(line: &str) -> Option<(&'static str, String)> {
    ["https", "http"].into_iter().find_map(|scheme| {
        let (_, rest) = line.split_once(&format!("{scheme}://127.0.0.1:"))?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!port.is_empty() && port != "0").then(|| (scheme, format!("127.0.0.1:{port}")))
    })
}
