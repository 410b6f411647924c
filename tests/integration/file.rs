//! The connector `file` in the real server: logs that are written at full speed, rotated in both ways, and a server
//! that is killed meanwhile.
//!
//! What can be promised is asserted here. Every line arrives, in order; after a kill those come again whose position
//! was not saved. With `copytruncate` what was not read when the file is cut is in no file any more, so the writer
//! waits there (and only there) until it was read.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use crate::harness::{Client, Server, Value, within};

const ROTATIONS: usize = 50;
const LINES: usize = 1000;
const KILLS: usize = 3;
/// `line 00000042 …` and its end: the number of a line follows from its place.
const WIDTH: usize = 100;
/// What `turted_file::UNSAVED` promises.
const UNSAVED: usize = 10_000;

fn line(number: usize) -> String {
    format!("{:.<99}\n", format!("line {number:08} "))
}

fn number(line: &str) -> usize {
    line[5..13]
        .parse()
        .unwrap_or_else(|_| panic!("{line:?} is no whole line"))
}

/// A folder with logs. The server follows `app.log` through a link, so that it finds nothing until it is told to.
struct Logs(TempDir);

impl Logs {
    fn new() -> Self {
        let logs = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(logs.path("real")).unwrap();
        logs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn settings(&self, more: &str) -> String {
        let (log, state) = (self.path("shown/app.log"), self.path("state.json"));
        format!(
            "limits.outbox_bytes = \"64 MiB\"\nlimits.outbox_frames = 1000000\n[connectors.log]\ntype = \"file\"\n\
             paths = [{log:?}]\nstate_file = {state:?}\nstart = \"beginning\"\npoll = \"20ms\"\n{more}"
        )
    }

    fn show(&self) {
        std::os::unix::fs::symlink(self.path("real"), self.path("shown")).unwrap();
    }

    fn hide(&self) {
        std::fs::remove_file(self.path("shown")).unwrap();
    }

    /// No line from this number on has a saved position. It may be too high: records of what was truncated count as
    /// well.
    fn saved(&self) -> usize {
        let book: Value = serde_json::from_slice(&std::fs::read(self.path("state.json")).unwrap()).unwrap();
        let files = std::fs::read_dir(self.path("real"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let files: Vec<(u64, usize)> = files.filter_map(|path| Some((inode(&path)?, first(&path)?))).collect();
        let place = |record: &Value| {
            let inode = record["inode"].as_u64().unwrap();
            let (_, first) = files.iter().find(|(known, _)| *known == inode)?;
            let lines = usize::try_from(record["offset"].as_u64().unwrap()).unwrap() / WIDTH;
            (lines > 0).then_some(first + lines)
        };
        book["files"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(place)
            .max()
            .unwrap_or_default()
    }
}

fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta| meta.ino())
}

fn first(path: &Path) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    text.get(..WIDTH).map(number)
}

/// Writes at full speed and rotates between two lines; waits for its reader only before it truncates.
async fn write(folder: PathBuf, mut read: watch::Receiver<usize>) {
    let (log, mut written) = (folder.join("app.log"), 0);
    let mut file = append(&log);
    for rotation in 0..=ROTATIONS {
        for _ in 0..LINES {
            file.write_all(line(written).as_bytes()).unwrap();
            written += 1;
            if written == 1 {
                // What is rotated away before its name was ever seen is nobody's business.
                read.wait_for(|count| *count > 0).await.unwrap();
            }
        }
        let old = folder.join(format!("app.log-{rotation:04}"));
        match rotation {
            ROTATIONS => {}
            _ if rotation % 2 == 0 => {
                std::fs::rename(&log, &old).unwrap();
                file = append(&log);
            }
            _ => {
                read.wait_for(|count| *count >= written).await.unwrap();
                std::fs::copy(&log, &old).unwrap();
                file.set_len(0).unwrap();
            }
        }
        tokio::task::yield_now().await;
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

async fn subscribed(logs: &Logs) -> (Server, Client) {
    let server = Server::with(&logs.settings(""));
    let mut client = server.client().await;
    client.join("log").await;
    logs.show();
    (server, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_rotations_at_full_speed_and_kills_in_between_lose_no_line() {
    let logs = Logs::new();
    let (mut server, mut client) = subscribed(&logs).await;
    let (progress, read) = watch::channel(0);
    let writer = tokio::spawn(write(logs.path("real"), read));
    let (total, mut heard) = ((ROTATIONS + 1) * LINES, 0);
    // Within the life of one server: the line before this one, and how many were known from the life before.
    let (mut kills, mut last, mut repeated, mut all_repeated) = (0, None, 0, 0);
    while heard < total {
        let event = client.event().await;
        let number = number(event["data"]["payload"]["line"].as_str().unwrap());
        assert!(
            number <= heard,
            "lines {heard} to {number} are lost after {kills} kills"
        );
        assert!(last < Some(number), "{number} comes after {last:?}");
        last = Some(number);
        if number < heard {
            repeated += 1;
            assert!(
                kills > 0 && repeated <= UNSAVED,
                "{repeated} lines came again after {kills} kills"
            );
            continue;
        }
        heard += 1;
        progress.send_replace(heard);
        // The client has all whose position is saved: the rest is not done with.
        if kills < KILLS && heard >= total * (kills + 1) / (KILLS + 1) && logs.saved() <= heard {
            drop(server);
            logs.hide();
            heard += rest(&mut client, heard).await;
            progress.send_replace(heard);
            all_repeated += std::mem::take(&mut repeated);
            (kills, last) = (kills + 1, None);
            (server, client) = subscribed(&logs).await;
        }
    }
    within("the writer", writer).await.unwrap();
    assert_eq!(kills, KILLS);
    assert!(client.heard(&server).await.is_empty(), "nothing is doubled");
    all_repeated += repeated;
    println!("{total} lines, {ROTATIONS} rotations, {kills} kills: {all_repeated} lines came again");
}

/// How many more lines the client has from a server that is gone.
async fn rest(client: &mut Client, expected: usize) -> usize {
    let mut count = 0;
    loop {
        let message = client.next().await;
        if message["type"] == "#close" {
            return count;
        }
        assert_eq!(
            number(message["data"]["payload"]["line"].as_str().unwrap()),
            expected + count
        );
        count += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_restart_repeats_nothing() {
    let logs = Logs::new();
    let (server, mut client) = subscribed(&logs).await;
    let mut file = append(&logs.path("real/app.log"));
    file.write_all(line(0).as_bytes()).unwrap();
    assert_eq!(
        number(client.event().await["data"]["payload"]["line"].as_str().unwrap()),
        0
    );
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    logs.hide();
    file.write_all(line(1).as_bytes()).unwrap();
    let (_server, mut client) = subscribed(&logs).await;
    assert_eq!(
        number(client.event().await["data"]["payload"]["line"].as_str().unwrap()),
        1
    );
}

/// Counts lines that arrive, without looking at them: each holds one sign that is nowhere else. `~` stands in frames,
/// before their length.
async fn count(mut wire: tokio::net::TcpStream, lines: usize) {
    let (mut buffer, mut seen) = (vec![0; 256 * 1024], 0);
    while seen < lines {
        let count = wire.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the server has closed after {seen} lines");
        seen += buffer[..count].iter().filter(|byte| **byte == b'!').count();
    }
}

/// A subscriber that costs next to nothing.
async fn raw(server: &Server) -> tokio::net::TcpStream {
    use tokio::io::AsyncWriteExt;
    let mut wire = server.wire().await;
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let host = &server.address;
    let hello = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n\r\n"
    );
    wire.write_all(hello.as_bytes()).await.unwrap();
    let join = br#"{"type":"JOIN","data":{"channel":"log"},"ref":1}"#;
    let mut frame = vec![0x81, 0x80 | u8::try_from(join.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(join);
    wire.write_all(&frame).await.unwrap();
    let (mut heard, mut buffer) = (String::new(), [0; 4096]);
    while !heard.contains("\"OK\"") {
        let count = wire.read(&mut buffer).await.unwrap();
        assert!(count > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    wire
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo test --release --test integration file::speed -- --ignored --nocapture"]
async fn speed() {
    for (clients, lines) in [(0, 200_000), (1, 200_000), (1000, 5000)] {
        let logs = Logs::new();
        let server = Server::with(&logs.settings("format = \"text\"\n"));
        let mut wires = Vec::new();
        for _ in 0..clients {
            wires.push(raw(&server).await);
        }
        let log = logs.path("real/app.log");
        let text: String = (0..lines)
            .map(|number| format!("{:.<98}!\n", format!("line {number:08} ")))
            .collect();
        std::fs::write(&log, text).unwrap();
        let mut tail = std::process::Command::new("sh");
        tail.arg("-c")
            .arg(format!("tail -n +1 -F {} | head -n {lines} >/dev/null", log.display()));
        let begin = Instant::now();
        assert!(tail.status().unwrap().success());
        let tailed = begin.elapsed();
        let (begin, cpu) = (Instant::now(), server.cpu());
        logs.show();
        let counting: Vec<_> = wires.into_iter().map(|wire| tokio::spawn(count(wire, lines))).collect();
        for counted in counting {
            counted.await.unwrap();
        }
        while taken(&server).await < lines {
            tokio::task::yield_now().await;
        }
        let (took, cpu) = (begin.elapsed(), server.cpu() - cpu);
        let rate = |time: Duration| lines as f64 / time.as_secs_f64();
        println!(
            "{clients} clients, {lines} lines of 100 bytes: {:.0} lines/s, {:.1} µs of CPU per line ({:.0} % of one core); \
             tail -F: {:.0} lines/s",
            rate(took),
            cpu.as_secs_f64() * 1e6 / lines as f64,
            100.0 * cpu.as_secs_f64() / took.as_secs_f64(),
            rate(tailed),
        );
    }
}

/// How many lines the server says it has taken.
async fn taken(server: &Server) -> usize {
    let health = server.get("/health/ready").await.value();
    usize::try_from(health["connectors"]["log"]["events"].as_u64().unwrap_or_default()).unwrap()
}
