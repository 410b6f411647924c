//! Hears from the system when something changes in a folder.
//!
//! In: folders to watch. Out: rings of the [`Bell`]. Whatever it does not hear is found by looking now and then, so
//! that nothing here is an error: a watch that cannot be had is told once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use log::warn;
use notify::event::{CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::bell::Bell;
use crate::book::Identity;
use crate::paths::Paths;
use crate::tail::identity;

/// Folders where every change of a name counts: the targets of symbolic links are in them.
type Targets = Arc<Mutex<BTreeSet<PathBuf>>>;

/// The watches.
pub struct Watches {
    watcher: Option<RecommendedWatcher>,
    /// The folders, and which they were: another folder of the same name needs a watch of its own.
    watched: BTreeMap<PathBuf, Identity>,
    targets: Targets,
    warned: bool,
}

impl Watches {
    /// None at all: for file systems that tell nothing.
    #[must_use]
    pub fn none() -> Self {
        Self {
            watcher: None,
            watched: BTreeMap::new(),
            targets: Targets::default(),
            warned: false,
        }
    }

    /// Rings `bell` when something happens to `paths`.
    #[must_use]
    pub fn new(paths: Paths, bell: Arc<Bell>) -> Self {
        let targets = Targets::default();
        let heard = Arc::clone(&targets);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            Ok(event) => hear(event, &paths, &heard, &bell),
            Err(_) => bell.names(),
        });
        let mut watches = Self {
            targets,
            ..Self::none()
        };
        match watcher {
            Ok(watcher) => watches.watcher = Some(watcher),
            Err(error) => watches.warn(&error),
        }
        watches
    }

    /// True when there is a watch on every folder that was asked for.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.watcher.is_some() && !self.warned
    }

    /// Watches these folders, and no others; `targets` are those with the targets of symbolic links.
    pub fn set(&mut self, folders: BTreeSet<PathBuf>, targets: BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let wanted: BTreeMap<PathBuf, Identity> = folders
            .into_iter()
            .chain(targets.iter().cloned())
            .filter_map(|folder| Some((folder.clone(), identity(&std::fs::metadata(folder).ok()?))))
            .collect();
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
        self.watched.retain(|folder, known| {
            let stays = wanted.get(folder) == Some(known);
            if !stays {
                // It may be gone, and its watch with it.
                let _ = watcher.unwatch(folder);
            }
            stays
        });
        let mut failed = None;
        for (folder, known) in wanted {
            if let Entry::Vacant(unwatched) = self.watched.entry(folder) {
                match watcher.watch(unwatched.key(), RecursiveMode::NonRecursive) {
                    Ok(()) => drop(unwatched.insert(known)),
                    Err(error) => failed = Some(error),
                }
            }
        }
        match failed {
            Some(error) => self.warn(&error),
            None => self.warned = false,
        }
    }

    fn warn(&mut self, error: &notify::Error) {
        if !self.warned {
            warn!("changes of files cannot be watched, they are looked for instead: {error}");
            self.warned = true;
        }
    }
}

fn hear(event: Event, paths: &Paths, targets: &Targets, bell: &Bell) {
    let is_ours = |path: &PathBuf| {
        let targets = targets.lock().unwrap_or_else(PoisonError::into_inner);
        paths.include(path) || targets.contains(path.parent().unwrap_or(Path::new("")))
    };
    match event.kind {
        _ if event.need_rescan() => bell.names(),
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => {}
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => {
            event.paths.into_iter().for_each(|path| bell.written(path))
        }
        EventKind::Create(CreateKind::Folder) => bell.names(),
        _ if event.paths.iter().any(is_ours) => bell.names(),
        _ => {}
    }
}
