//! A program that runs beside a test.
//!
//! In: a command. Out: a process that can be stopped and killed, and that ends with the value, or with the process that
//! started it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Instant;

use crate::{PATIENCE, PAUSE};

/// A running program.
pub struct Process {
    /// For messages.
    pub name: String,
    child: Child,
    output: PathBuf,
    // Dropped after the child is gone.
    _watch: Watch,
}

impl Process {
    /// Runs `command` and keeps what it writes in a file of `folder`. `package` is what to install when there is no
    /// such program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, folder: &Path, package: &str) -> Self {
        let program = PathBuf::from(command.get_program());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let output = folder.join(format!("{name}.out"));
        let file = File::options().create(true).append(true).open(&output).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let child = command.spawn().unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => {
                panic!("this test needs {name}: install it, on Debian with `apt-get install {package}`")
            }
            _ => panic!("{name} does not start: {error}"),
        });
        let _watch = Watch::new("kill -KILL \"$1\"", &child.id().to_string());
        Self {
            name,
            child,
            output,
            _watch,
        }
    }

    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has written.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Sends it a signal, such as `TERM`, `STOP` or `CONT`.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: &str) {
        // The shell's own `kill`: the program of that name is missing on small systems.
        let line = format!("kill -{signal} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &line]).status().unwrap();
        assert!(sent.success(), "{} is gone", self.name);
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// When it takes longer than [`PATIENCE`].
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{} does not stop:\n{}",
                self.name,
                self.output()
            );
            sleep(PAUSE);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does something when this process has ended, however it ended; nothing when the value is dropped before.
pub struct Watch(Child);

impl Watch {
    /// A line for the shell, and its `$1`.
    pub fn new(line: &str, argument: &str) -> Self {
        // Its input ends with this process.
        let script = format!("trap '' INT TERM HUP; cat > /dev/null; {line} 2> /dev/null");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "watch", argument]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().expect("there is a shell"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
