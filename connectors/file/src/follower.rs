//! The thread that looks for files and reads them.
//!
//! In: rings of the [`Bell`]. Out: batches, as long as there is room for them; without room it goes on looking, so that
//! a file which is rotated meanwhile is held open. A thread, because a network file system may keep it waiting for
//! ever, and nobody else must wait with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, warn};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use crate::bell::{Bell, Wake};
use crate::paths::Paths;
use crate::tail::{Batch, Reading};
use crate::track::Track;
use crate::watch::Watches;

/// Least time between two looks.
const LOOKS: Duration = Duration::from_millis(10);

/// How often to look for files.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    /// When nobody tells of changes.
    pub poll: Duration,
    /// When the system does.
    pub net: Duration,
}

/// Looks and reads.
pub struct Follower {
    paths: Paths,
    max_files: usize,
    looks: Looks,
    /// The next look is the first, and files without a record are read from their end.
    from_end: bool,
    watches: Watches,
    bell: Arc<Bell>,
    out: Sender<Batch>,
    reading: Reading,
    tracks: BTreeMap<PathBuf, Track>,
    waiting: Option<Batch>,
    cursor: PathBuf,
    looked: Instant,
    is_asked: bool,
    has_links: bool,
    complaints: BTreeMap<PathBuf, String>,
    is_over: bool,
}

impl Follower {
    /// Will follow `paths`, up to `max_files` at once.
    #[must_use]
    pub fn new(
        (paths, max_files, looks): (Paths, usize, Looks),
        from_end: bool,
        watches: Watches,
        (bell, out): (Arc<Bell>, Sender<Batch>),
        reading: Reading,
    ) -> Self {
        Self {
            paths,
            max_files,
            looks,
            from_end,
            watches,
            bell,
            out,
            reading,
            tracks: BTreeMap::new(),
            waiting: None,
            cursor: PathBuf::new(),
            looked: Instant::now(),
            is_asked: false,
            has_links: false,
            complaints: BTreeMap::new(),
            is_over: false,
        }
    }

    /// Works until the bell says stop or nobody takes batches any more. `ready` is told after the first look.
    pub fn run(mut self, ready: oneshot::Sender<()>) {
        self.look();
        self.from_end = false;
        // Whoever does not wait any more has ended, and the bell says so.
        let _ = ready.send(());
        loop {
            let wake = self.bell.wait(self.patience());
            if wake.stop {
                return;
            }
            self.mark(&wake);
            let since = self.looked.elapsed();
            if (self.is_asked && since >= LOOKS) || since >= self.pause() {
                self.look();
            }
            if !self.round() {
                return;
            }
        }
    }

    /// Looks which files there are.
    fn look(&mut self) {
        (self.looked, self.is_asked) = (Instant::now(), false);
        let before = self.tracks.len();
        let matches = self.paths.find(self.max_files);
        if let Some(beyond) = matches.beyond.as_ref().filter(|_| !self.is_over) {
            warn!(
                "{} is not followed, and whatever comes after it: more than {} files match (max_files)",
                beyond.display(),
                self.max_files
            );
        }
        self.is_over = matches.beyond.is_some();
        for (folder, why) in matches.closed {
            self.reading.say(
                &folder,
                &format!("cannot be looked into, and no file in it is followed: {why}"),
            );
        }
        let found = matches.files;
        let (mut folders, mut targets) = (self.paths.folders().collect::<BTreeSet<_>>(), BTreeSet::new());
        for path in &found {
            folders.extend(path.parent().map(Path::to_owned));
            if path.is_symlink() {
                let target = path.canonicalize().ok();
                targets.extend(target.and_then(|target| target.parent().map(Path::to_owned)));
            }
        }
        self.has_links = !targets.is_empty();
        // Watched first, so that what changes after the look rings.
        self.watches.set(folders, targets);
        for (path, track) in &mut self.tracks {
            if !found.contains(path) {
                track.leave();
            }
        }
        for path in found {
            let track = self
                .tracks
                .entry(path.clone())
                .or_insert_with(|| Track::new(&path, &self.reading));
            match track.look(self.from_end, &self.reading) {
                Ok(()) => drop(self.complaints.remove(&path)),
                Err(error) => complain(&mut self.complaints, path, error.to_string()),
            }
        }
        let tracks = &self.tracks;
        self.complaints.retain(|path, _| tracks.contains_key(path));
        self.tracks.retain(|path, track| !track.is_empty() || path.exists());
        if self.tracks.len() != before {
            debug!("{} files are followed", self.tracks.len());
        }
    }

    /// Notes what changed.
    fn mark(&mut self, wake: &Wake) {
        self.is_asked |= wake.names;
        let is_known = wake.written.iter().all(|path| self.tracks.contains_key(path));
        let now = Instant::now();
        for (path, track) in &mut self.tracks {
            // A path nobody knows may be the new name of a file that is leaving, or the target of a symbolic link.
            let may_be = !is_known && (self.has_links || track.is_leaving());
            let is_written = wake.any || may_be || wake.written.contains(path);
            let is_due = track.due(&self.reading).is_some_and(|due| due <= now);
            track.is_dirty |= is_written || is_due;
        }
    }

    /// Gives every file one turn, as long as there is room; false when nobody takes batches any more.
    fn round(&mut self) -> bool {
        if let Some(batch) = self.waiting.take() {
            match self.out.try_send(batch) {
                Ok(()) => {}
                Err(TrySendError::Closed(_)) => return false,
                Err(TrySendError::Full(batch)) => {
                    self.waiting = Some(batch);
                    return true;
                }
            }
        }
        let after = (Bound::Excluded(self.cursor.as_path()), Bound::Unbounded);
        let dirty = |(path, track): (&PathBuf, &Track)| track.is_dirty.then(|| path.clone());
        let mut turns: Vec<PathBuf> = self.tracks.range::<Path, _>(after).filter_map(dirty).collect();
        let before = (Bound::Unbounded, Bound::Included(self.cursor.as_path()));
        turns.extend(self.tracks.range::<Path, _>(before).filter_map(dirty));
        for path in turns {
            let Some(batch) = self
                .tracks
                .get_mut(&path)
                .and_then(|track| track.turn(&mut self.reading))
            else {
                continue;
            };
            self.cursor = path;
            match self.out.try_send(batch) {
                Ok(()) => {}
                Err(TrySendError::Closed(_)) => return false,
                Err(TrySendError::Full(batch)) => {
                    self.waiting = Some(batch);
                    return true;
                }
            }
        }
        true
    }

    /// How long nothing needs to be done unless the bell rings.
    fn patience(&self) -> Duration {
        let has_work = self.waiting.is_none() && self.tracks.values().any(|track| track.is_dirty);
        if has_work {
            return Duration::ZERO;
        }
        let pause = if self.is_asked { LOOKS } else { self.pause() };
        let look = self.looked + pause;
        let due = self.tracks.values().filter_map(|track| track.due(&self.reading)).min();
        let next = due.filter(|_| self.waiting.is_none()).map_or(look, |due| due.min(look));
        next.saturating_duration_since(Instant::now())
    }

    fn pause(&self) -> Duration {
        if self.watches.is_complete() {
            self.looks.net
        } else {
            self.looks.poll
        }
    }
}

/// Tells once what is wrong with a file, until something else is.
fn complain(complaints: &mut BTreeMap<PathBuf, String>, path: PathBuf, why: String) {
    if complaints.get(&path) != Some(&why) {
        warn!("{} is not followed, and will be tried again: {why}", path.display());
        complaints.insert(path, why);
    }
}
