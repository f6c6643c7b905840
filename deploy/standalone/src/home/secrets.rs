//! The secrets a platform makes for itself at its first start, readable by nobody else; here the one that signs
//! tokens.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidings_service::Ids;
use tidings_service::config::Secret;

use super::{Home, HomeError, io_error};
use crate::files::sync_folder;

/// Name of the file with the secret that signs tokens, in the data folder.
pub const TOKEN_SECRET: &str = "jwt.secret";

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The file holds something else.
    #[error(
        "{} does not hold 32 bytes in base64: put the right key back, nothing in the log can be opened with another",
        .0.display()
    )]
    NotAKey(PathBuf),
}

impl SecretError {
    /// As of [`HomeError`].
    pub(crate) fn is_a_wrong_place(&self) -> bool {
        matches!(self, Self::Home(error) if error.is_a_wrong_place())
    }
}

impl Home {
    /// The secret that signs this platform's own tokens, made if absent.
    ///
    /// # Errors
    /// When the file can be neither read nor written.
    pub fn token_secret(&self, ids: &Ids) -> Result<Secret, SecretError> {
        let path = self.token_secret_file();
        if let Some(text) = read(&path)? {
            return Ok(Secret::new(text.trim()));
        }
        let made = STANDARD.encode(ids.bytes::<32>());
        create(&path, &made)?;
        Ok(Secret::new(read(&path)?.unwrap_or(made).trim()))
    }
}

pub(super) fn read(path: &Path) -> Result<Option<String>, HomeError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", path)(error)),
    }
}

/// Writes a file only its owner may read, durably; leaves one that is there already alone.
pub(super) fn create(path: &Path, text: &str) -> Result<(), HomeError> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            writeln!(file, "{text}")?;
            file.sync_all()
        });
    written.map_err(io_error("write", &draft))?;
    // A link fails where a name is taken: of two first starts one wins, and both use its key.
    let linked = std::fs::hard_link(&draft, path);
    drop(std::fs::remove_file(&draft));
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io_error("write", path)(error));
        }
        _ => {}
    }
    path.parent().map_or(Ok(()), sync_folder)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_secret_stays_and_is_long_enough() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::open(root.path()).unwrap();
        let secret = home.token_secret(&Ids::seeded(1)).unwrap();
        assert!(secret.expose().len() >= tidings_service::config::HS256_SECRET_BYTES_MIN);
        assert_eq!(home.token_secret(&Ids::seeded(2)).unwrap(), secret);
    }
}
