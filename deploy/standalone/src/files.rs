//! What the system answers about files, for every room's own errors.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The system refused to do something with a file. It reads as the system's own answer: what was tried stands in the
/// message of the error that has this as its source.
#[derive(Debug, thiserror::Error)]
#[error("{answer}")]
pub struct Refused {
    /// What was tried, as a verb.
    pub action: &'static str,
    /// Where.
    pub path: PathBuf,
    answer: io::Error,
}

impl Refused {
    /// Whether another path, or another owner of it, is the remedy, and not another disk.
    pub(crate) fn is_a_wrong_place(&self) -> bool {
        is_a_wrong_place(self.answer.kind())
    }
}

/// Whether another path, or another owner of it, is the remedy for this answer of the system, and not another disk.
pub(crate) fn is_a_wrong_place(answer: ErrorKind) -> bool {
    matches!(
        answer,
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::AlreadyExists
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::ReadOnlyFilesystem
    )
}

/// Says what was tried where.
pub(crate) fn refused(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Refused {
    let path = path.to_owned();
    move |answer| Refused {
        action,
        path,
        answer,
    }
}

/// Names in a folder outlive a loss of power only after this.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Refused> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(refused("write", folder))
}
