//! The file in which the book is kept.
//!
//! In: a book. Out: the same after a restart, whole: it is written beside its place and renamed over it.

use std::io::{ErrorKind, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::book::Book;

/// The book as it was saved; an empty one when it never was.
///
/// # Errors
/// When there is something else than a book. It is not overwritten: a person decides what it is worth.
pub fn load(path: &Path) -> Result<Book, String> {
    let json = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Book::default()),
        read => read.map_err(|error| format!("the state file {} cannot be read: {error}", path.display()))?,
    };
    let saved_at = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let wrong = |why| {
        let path = path.display();
        format!("{path} is no state file of this connector ({why}); name another file, or remove it to begin anew")
    };
    Book::parse(&json, saved_at).map_err(wrong)
}

/// Puts the text of a book into its file.
///
/// # Errors
/// A sentence with the name of the file.
pub fn save(path: &Path, json: &[u8]) -> Result<(), String> {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut file = NamedTempFile::with_prefix_in(".turted-state-", folder)?;
        file.write_all(json)?;
        file.as_file().sync_data()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error: std::io::Error| format!("the state file {} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert!(load(&path).is_ok(), "there is none yet");
        for _ in 0..2 {
            save(&path, &Book::default().json().unwrap()).unwrap();
        }
        assert!(load(&path).unwrap().saved_at().is_some());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_state_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        std::fs::write(&path, "precious").unwrap();
        assert!(load(&path).unwrap_err().contains("remove it to begin anew"));
        assert!(load(folder.path()).unwrap_err().contains("cannot be read"));
        let nowhere = folder.path().join("no/state.json");
        assert!(save(&nowhere, b"{}").unwrap_err().contains("cannot be written"));
    }
}
