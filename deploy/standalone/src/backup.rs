//! A backup: a folder with a copy of the private PostgreSQL's data and a page that says what it is. The master key is
//! not in it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tidings_event_store::hex::{Hash, Hex};
use tidings_event_store::{Log, ReadError, crash_point};
use tidings_servers::{Options, Servers, ServersError};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::files::{Refused, refused, sync_folder};

/// Names the format of the page.
const FORMAT: &str = "tidings.backup.v1";
const PAGE: &str = "backup.json";
const DATA: &str = "postgres";
/// How the name of a backup begins that is not complete.
const STAGED: &str = ".tidings-";

/// What a backup is of: the content of `backup.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    format: String,
    /// The version that took it.
    pub version: String,
    /// When it was begun.
    #[serde(with = "time::serde::rfc3339")]
    pub taken_at: OffsetDateTime,
    /// The incarnation of the log.
    pub incarnation: Uuid,
    /// The last position of the log when it was begun; it holds this and what came while it was taken.
    pub position: i64,
    /// The hash of the batch that holds the position; zeros for 0.
    pub batch_hash: Hash,
    /// The version of PostgreSQL, such as `18.6`.
    pub postgres: String,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system refused.
    #[error(
        "cannot {} {}: check the path, its permissions and the space on the disk",
        .0.action,
        .0.path.display()
    )]
    Io(#[from] Refused),
    /// It was begun and could not be finished.
    #[error(
        "the backup was not finished; what there is of it holds readers' addresses: remove it with rm -r {}",
        .0.display()
    )]
    Unfinished(PathBuf, #[source] Box<BackupError>),
    /// A mistyped path is not made.
    #[error("there is no folder {}: make it first, or name another one for the backups", .0.display())]
    NoParent(PathBuf),
    /// The folder holds something else.
    #[error("{} is no backup that this version reads: name a folder that `tidings backup` made", .0.display())]
    NoBackup(PathBuf),
    /// The log could not be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The data could not be copied, or the copy is not what was copied.
    #[error(transparent)]
    Servers(#[from] ServersError),
}

impl BackupError {
    /// Whether another folder must be named.
    pub(crate) fn is_a_wrong_folder(&self) -> bool {
        match self {
            Self::NoParent(_) | Self::NoBackup(_) => true,
            Self::Io(refused) => refused.is_a_wrong_place(),
            _ => false,
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let refused = refused(action, path);
    move |answer| BackupError::Io(refused(answer))
}

impl Backup {
    /// Before anything is started: whether backups may go to `dir`, which is made if the folder around it is there.
    ///
    /// # Errors
    /// [`BackupError::NoParent`].
    pub fn may_go_to(dir: &Path) -> Result<(), BackupError> {
        // Of a bare name that is the folder the command was started in.
        let parent = dir.parent().filter(|it| !it.as_os_str().is_empty());
        match parent {
            Some(parent) if !dir.is_dir() && !parent.is_dir() => {
                Err(BackupError::NoParent(parent.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Copies what the servers hold into a new folder below `dir`, checks the copy, and gives the folder. Until it is
    /// complete the folder's name begins with a dot.
    ///
    /// # Errors
    /// What hindered it.
    pub async fn take(
        dir: &Path,
        (servers, options): (&Servers, &Options),
        log: &Log,
        now: OffsetDateTime,
    ) -> Result<(Self, PathBuf), BackupError> {
        Self::may_go_to(dir)?;
        private_dir(dir)?;
        let dir = dir.canonicalize().map_err(io_error("enter", dir))?;
        let head = log.head().await?;
        let backup = Self {
            format: FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: now,
            incarnation: log.incarnation().await?,
            position: head.position,
            batch_hash: Hex(head.batch_hash),
            postgres: servers
                .postgres_bin()
                .map_or_else(String::new, |bin| bin.version.clone()),
        };
        let name = backup.name();
        let (staged, folder) = (dir.join(format!(".{name}")), dir.join(name));
        private_dir(&staged)?;
        crash_point!("backup.begun");
        let filled = backup.fill(&staged, servers, options).await;
        filled.map_err(|error| BackupError::Unfinished(staged.clone(), Box::new(error)))?;
        crash_point!("backup.complete");
        fs::rename(&staged, &folder).map_err(io_error("create", &folder))?;
        sync_folder(&dir)?;
        crash_point!("backup.named");
        Ok((backup, folder))
    }

    async fn fill(
        &self,
        staged: &Path,
        servers: &Servers,
        options: &Options,
    ) -> Result<(), BackupError> {
        let data = staged.join(DATA);
        servers.base_backup(&data).await?;
        crash_point!("backup.copied");
        tidings_servers::verify(options, &data).await?;
        self.write(staged)
    }

    /// What backups into this folder have left that were killed, or are being taken.
    #[must_use]
    pub fn unfinished(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let is_staged = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            name.starts_with(STAGED.as_bytes()) && path.is_dir()
        };
        let mut left: Vec<PathBuf> = entries.map(|it| it.path()).filter(is_staged).collect();
        left.sort();
        left
    }

    /// What the backup in a folder is of.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, BackupError> {
        let no_backup = || BackupError::NoBackup(folder.to_owned());
        let page = folder.join(PAGE);
        let text = fs::read(&page).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => no_backup(),
            _ => io_error("read", &page)(error),
        })?;
        let backup: Self = serde_json::from_slice(&text).map_err(|_| no_backup())?;
        let complete = backup.format == FORMAT && folder.join(DATA).is_dir();
        complete.then_some(backup).ok_or_else(no_backup)
    }

    /// The copied data in a backup's folder, by its whole path: PostgreSQL's programs are not run from where its name
    /// was given.
    ///
    /// # Errors
    /// When it is not there.
    pub fn data(folder: &Path) -> Result<PathBuf, BackupError> {
        let data = folder.join(DATA);
        data.canonicalize().map_err(io_error("enter", &data))
    }

    /// By time and position, so that a list of names is in order.
    fn name(&self) -> String {
        let at = self.taken_at.to_offset(time::UtcOffset::UTC);
        format!(
            "tidings-{:04}{:02}{:02}T{:02}{:02}{:02}Z-{}",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            self.position,
        )
    }

    fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let path = folder.join(PAGE);
        let text = serde_json::to_vec_pretty(self).expect("plain values make JSON");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.map_err(io_error("write", &path))?;
        Ok(sync_folder(folder)?)
    }
}

/// A backup holds readers' addresses in the rows of views: nobody else may read it.
fn private_dir(path: &Path) -> Result<(), BackupError> {
    if path.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(io_error("make", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn what_was_written_is_read_and_anything_else_is_no_backup() {
        let root = tempfile::tempdir().unwrap();
        let backup = Backup {
            format: FORMAT.to_owned(),
            version: "0.1.0".to_owned(),
            taken_at: datetime!(2026-03-01 02:03:04.5 UTC),
            incarnation: Uuid::from_u128(7),
            position: 4_711,
            batch_hash: Hex([0xab; 32]),
            postgres: "18.6".to_owned(),
        };
        assert_eq!(backup.name(), "tidings-20260301T020304Z-4711");
        backup.write(root.path()).unwrap();
        assert!(Backup::read(root.path()).is_err(), "the data are missing");
        fs::create_dir(root.path().join(DATA)).unwrap();
        assert_eq!(Backup::read(root.path()).unwrap(), backup);
        let text = fs::read_to_string(root.path().join(PAGE)).unwrap();
        insta::assert_snapshot!(text, @r#"
        {
          "format": "tidings.backup.v1",
          "version": "0.1.0",
          "taken_at": "2026-03-01T02:03:04.5Z",
          "incarnation": "00000000-0000-0000-0000-000000000007",
          "position": 4711,
          "batch_hash": "abababababababababababababababababababababababababababababababab",
          "postgres": "18.6"
        }
        "#);
        let newer = text.replace("backup.v1", "backup.v2");
        fs::write(root.path().join(PAGE), newer).unwrap();
        let refused = |folder: &Path| Backup::read(folder).unwrap_err().to_string();
        let text = refused(root.path());
        assert!(text.contains("is no backup"), "{text}");
        let text = refused(&root.path().join("nothing"));
        assert!(text.contains("is no backup"), "{text}");
        // What cannot be read may be one all the same.
        fs::remove_file(root.path().join(PAGE)).unwrap();
        fs::create_dir(root.path().join(PAGE)).unwrap();
        let text = refused(root.path());
        assert!(text.starts_with("cannot read"), "{text}");
    }

    #[test]
    fn a_folder_for_backups_is_made_but_not_the_one_around_it() {
        let root = tempfile::tempdir().unwrap();
        let refused = Backup::may_go_to(&root.path().join("nope/x")).unwrap_err();
        assert!(refused.is_a_wrong_folder());
        let text = refused.to_string();
        assert!(text.contains("nope: make it first"), "{text}");
        for fine in [
            root.path().join("x"),
            root.path().to_owned(),
            "x".into(),
            "/".into(),
        ] {
            Backup::may_go_to(&fine).unwrap();
        }
        let (new, beyond) = (root.path().join("x"), root.path().join("y/z"));
        private_dir(&new).unwrap();
        private_dir(&new).unwrap();
        assert!(private_dir(&beyond).is_err() && !root.path().join("y").exists());
    }

    #[test]
    fn what_a_killed_backup_left_is_found() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            ".tidings-20260301T020304Z-7",
            "tidings-20260302T020304Z-9",
            ".other",
        ] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let left = root.path().join(".tidings-20260301T020304Z-7");
        assert_eq!(Backup::unfinished(root.path()), [left]);
        assert!(Backup::unfinished(&root.path().join("nothing")).is_empty());
    }
}
