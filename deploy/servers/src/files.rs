//! Folders, locks and secrets on disk, with errors that say which file.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::account::Account;
use crate::error::ServersError;

/// Adapts an IO error: `fs::read(path).map_err(io_error("read", path))`.
pub(crate) fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> ServersError {
    let path = path.to_path_buf();
    move |source| ServersError::Io {
        action,
        path,
        source,
    }
}

/// Makes a folder with exactly this mode, unless it is there.
pub(crate) fn ensure_dir(path: &Path, mode: u32) -> Result<(), ServersError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(io_error("create", path))
}

/// Makes a 0700 folder of the account, unless it is there.
pub(crate) fn ensure_private_dir(path: &Path, account: &Account) -> Result<(), ServersError> {
    ensure_dir(path, 0o700)?;
    let found = fs::symlink_metadata(path).map_err(io_error("look at", path))?;
    // Another process may have made it this moment, and not handed it over yet.
    if found.is_dir() && found.uid() == geteuid().as_raw() {
        return account.own(path);
    }
    Ok(())
}

/// Replaces a file by one that only the account can read.
pub(crate) fn write_secret(
    path: &Path,
    bytes: &[u8],
    account: &Account,
) -> Result<(), ServersError> {
    let staged = path.with_extension("new");
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &staged)(error));
        }
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(io_error("write", &staged))?;
    account.own(&staged)?;
    fs::rename(&staged, path).map_err(io_error("write", path))
}

/// Opens a lock file, which holds no lock yet.
pub(crate) fn lock_file(path: &Path) -> Result<File, ServersError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(io_error("open", path))
}

/// Waits for the exclusive lock of `path`; dropping the file releases it.
pub(crate) async fn lock(path: PathBuf) -> Result<File, ServersError> {
    blocking(move || {
        let file = lock_file(&path)?;
        file.lock().map_err(io_error("lock", &path))?;
        Ok(file)
    })
    .await
}

/// Runs blocking work where it holds up no other task.
pub(crate) async fn blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// `N` random bytes as lower-case hexadecimal.
pub(crate) fn random_hex<const N: usize>() -> Result<String, ServersError> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; N];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(io_error("read", source))?;
    Ok(hex(&bytes))
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
