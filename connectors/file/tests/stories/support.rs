//! What the stories share: a folder with logs, and a connector that follows them.
//!
//! In: settings as JSON. Out: a [`Story`], the lines it has dispatched, and what became of its files.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once};

use serde_json::{Value, json};
use tempfile::TempDir;
use turted_core::testkit::{Recorder, Run, soon, start};
use turted_core::{ConnectorConfig, SettingError};
use turted_file::{FileConfig, FileConnector};

/// A connector that follows files of one folder.
pub struct Story {
    pub folder: Logs,
    settings: Value,
    pub recorder: Recorder,
    pub run: Run,
}

/// A folder with logs.
pub struct Logs(TempDir);

impl Logs {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes at the end of a file.
    pub fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = self.open(name);
        file.write_all(text.as_ref()).unwrap();
    }

    /// A file to append to, made when it is not there.
    pub fn open(&self, name: &str) -> File {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap()
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// What a rotation with `copytruncate` does.
    pub fn copy_and_truncate(&self, name: &str, to: &str) {
        fs::copy(self.path(name), self.path(to)).unwrap();
        self.truncate(name);
    }

    pub fn truncate(&self, name: &str) {
        OpenOptions::new()
            .write(true)
            .open(self.path(name))
            .unwrap()
            .set_len(0)
            .unwrap();
    }

    /// The settings with every path in this folder.
    pub fn settings(&self, mut settings: Value) -> Value {
        let absolute = |value: &mut Value| *value = json!(self.path(value.as_str().unwrap()));
        if settings.get("paths").is_none() {
            settings["paths"] = json!(["app.log"]);
        }
        settings["paths"].as_array_mut().unwrap().iter_mut().for_each(absolute);
        settings.get_mut("state_file").map(absolute);
        settings
    }

    pub fn connector(&self, settings: &Value) -> FileConnector {
        built(self.settings(settings.clone())).unwrap()
    }
}

/// The connector of a section.
pub fn built(settings: Value) -> Result<FileConnector, SettingError> {
    serde_json::from_value::<FileConfig>(settings).unwrap().build()
}

impl Story {
    /// Starts a connector in a folder of its own.
    pub async fn begin(settings: Value) -> Self {
        Self::within(Logs::new(), settings).await
    }

    /// Starts one in a folder that has files already.
    pub async fn within(folder: Logs, settings: Value) -> Self {
        listen();
        let recorder = Recorder::default();
        let mut run = start(folder.connector(&settings), &recorder);
        run.running().await;
        Self {
            folder,
            settings,
            recorder,
            run,
        }
    }

    /// Stops the connector and starts another with the same settings.
    pub async fn restarted(self, meanwhile: impl FnOnce(&Logs)) -> Self {
        assert_eq!(self.run.stop().await, Ok(()));
        meanwhile(&self.folder);
        Self::within(self.folder, self.settings).await
    }

    /// Takes the connector away in the middle of its work and starts another.
    pub async fn killed(self, meanwhile: impl FnOnce(&Logs)) -> Self {
        self.run.kill();
        meanwhile(&self.folder);
        Self::within(self.folder, self.settings).await
    }

    /// Waits for as many lines and gives all there are.
    pub async fn lines(&self, count: usize) -> Vec<String> {
        self.recorder.has(count).await;
        self.payloads()
            .iter()
            .map(|payload| payload["line"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until exactly these lines were dispatched since the start.
    pub async fn says(&self, lines: &[&str]) {
        assert_eq!(self.lines(lines.len()).await, lines);
    }

    /// Waits until the numbers `<from>` to `<to>` were dispatched since the start: each once, in order, and nothing
    /// else. Says in a few words what is wrong.
    pub async fn counts(&self, from: usize, to: usize) {
        let expected = to + 1 - from;
        let lines = self.lines(expected).await;
        let wrong = lines
            .iter()
            .zip(from..)
            .find(|(line, number)| **line != number.to_string());
        if let Some((line, number)) = wrong {
            panic!(
                "{line:.80} stands where {number} should; {} lines for {expected}",
                lines.len()
            );
        }
        assert_eq!(lines.len(), expected, "more lines than there are");
    }

    pub fn payloads(&self) -> Vec<Value> {
        self.recorder
            .payloads()
            .iter()
            .map(|json| serde_json::from_str(json).unwrap())
            .collect()
    }

    /// Waits until the position of the file with this number is saved.
    pub async fn saved(&self, name: &str, offset: u64) {
        let path = self.folder.path("state.json");
        let inode = inode(&self.folder.path(name));
        let saved = async {
            while position(&path, inode) != Some(offset) {
                tokio::task::yield_now().await;
            }
        };
        soon("saving the position", saved).await;
    }
}

pub fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap())
}

/// The position of the latest record of a file.
pub fn position(state: &Path, inode: u64) -> Option<u64> {
    let book: Value = serde_json::from_slice(&fs::read(state).ok()?).unwrap();
    let mut files = book["files"].as_array().unwrap().iter().rev();
    files.find(|file| file["inode"] == inode)?["offset"].as_u64()
}

/// Lines `<from>` to `<to>`, both included, as a text.
pub fn numbers(from: usize, to: usize) -> String {
    (from..=to).map(|number| format!("{number}\n")).collect()
}

/// The warnings that begin with this path, by whichever story.
pub fn warnings(path: &Path) -> Vec<String> {
    let begin = format!("{} ", path.display());
    let is_about = |line: &&String| line.starts_with(&begin);
    WARNED.lock().unwrap().iter().filter(is_about).cloned().collect()
}

static WARNED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Ear;

impl log::Log for Ear {
    fn enabled(&self, meta: &log::Metadata<'_>) -> bool {
        meta.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            WARNED.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Ear).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
    });
}
