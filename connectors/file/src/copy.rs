//! Tells the copy that a rotation made (`copytruncate`) from a log of its own.
//!
//! In: a file of which nothing was read, and the book. Out: a [`Verdict`]. A name and a beginning prove nothing:
//! workers write `worker.log` and `worker-1.log`, and every log may begin with the same header. What tells a copy is
//! that its original was cut since, and that it is not written any more. Whoever stays unsure reads.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::book::{Record, RecordId};
use crate::tail::{Found, Reading, is_same_before};

/// How long a file that may be a copy waits for its original to be cut.
const CUT: Duration = Duration::from_secs(1);
/// How long, while it is shorter than its original and may still be copied.
const COPYING: Duration = Duration::from_secs(10);

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A log of its own.
    Own,
    /// To be asked again in a moment.
    Unsure,
    /// It holds what was read under this record, which is in its own file no more, and perhaps what was not.
    Copy(RecordId),
}

/// What became of the file that may be the original.
enum Fate {
    /// It was truncated or written anew.
    Cut,
    /// It holds what was read, and is this long.
    Whole(File, u64),
    /// It has another name, or is gone.
    Elsewhere,
}

/// Judges the file of this name, which begins with `head`, after doubts of so long.
pub fn judge(path: &Path, file: &File, head: &[u8], doubted: Duration, reading: &Reading) -> Verdict {
    let Ok(meta) = file.metadata() else {
        return Verdict::Own;
    };
    // The book is never held while the file system is asked: it may take its time.
    let originals = reading.book().originals(path, head);
    let mut verdict = Verdict::Own;
    for (id, record) in originals {
        match fate(&record) {
            // The last lines before the cut are on their way; only then it is known how far it was read.
            Fate::Cut if record.is_open() => verdict = Verdict::Unsure,
            Fate::Cut => {
                let is_older = match (record.cut(), meta.modified()) {
                    (Some(cut), Ok(modified)) => modified <= cut,
                    _ => true,
                };
                if is_older && meta.len() >= record.offset {
                    return Verdict::Copy(id);
                }
            }
            Fate::Whole(original, length) => {
                let patience = if meta.len() < length { COPYING } else { CUT };
                if doubted < patience && meta.len() <= length && is_same_before(file, &original, meta.len()) {
                    verdict = Verdict::Unsure;
                }
            }
            Fate::Elsewhere => {}
        }
    }
    verdict
}

fn fate(record: &Record) -> Fate {
    if record.cut().is_some() {
        return Fate::Cut;
    }
    match Found::open(&record.path) {
        Ok(found) if found.identity.inode != record.inode => Fate::Elsewhere,
        Ok(found) if found.length < record.offset || !record.head.fits(&found.head) => Fate::Cut,
        Ok(found) => Fate::Whole(found.file, found.length),
        Err(_) => Fate::Elsewhere,
    }
}
