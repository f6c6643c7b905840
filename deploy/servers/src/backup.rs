//! Copies of the private PostgreSQL's data: taken while it runs, examined, and laid as the data of another place.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::account::Account;
use crate::error::ServersError;
use crate::files::{blocking, ensure_private_dir, io_error};
use crate::locate::{Needed, PostgresBin, locate};
use crate::options::{Needs, Options};
use crate::place::Place;
use crate::servers::Servers;

const BASE_BACKUP: &str = "pg_basebackup";
const VERIFY_BACKUP: &str = "pg_verifybackup";

impl Servers {
    /// Copies the data of the running PostgreSQL into `target`, which must not exist or be empty, together with the
    /// WAL that makes them consistent and a manifest of checksums, all on disk when this returns. The server goes on
    /// working meanwhile. The files are this user's.
    ///
    /// # Errors
    /// When no private PostgreSQL runs here, or `pg_basebackup` fails.
    pub async fn base_backup(&self, target: &Path) -> Result<(), ServersError> {
        let (Some(bin), Some(url)) = (self.postgres_bin(), self.database_url()) else {
            return Err(ServersError::Tool {
                program: BASE_BACKUP,
                said: "no private PostgreSQL runs here".to_owned(),
            });
        };
        let mut arguments: Vec<OsString> =
            vec!["-D".into(), target.into(), "-d".into(), url.into()];
        arguments.extend(
            [
                "--wal-method=stream",
                "--checkpoint=fast",
                "--manifest-checksums=SHA256",
                "--no-password",
            ]
            .map(OsString::from),
        );
        tool(bin, BASE_BACKUP, arguments).await
    }
}

/// Compares a copy with its manifest: every file is there with the bytes that were copied, and the WAL is complete.
///
/// # Errors
/// What is wrong with it, or that the PostgreSQL of its major version is not here.
pub async fn verify(options: &Options, copy: &Path) -> Result<(), ServersError> {
    let bin = postgres_for(options, copy).await?;
    let arguments = vec!["--exit-on-error".into(), "--quiet".into(), copy.into()];
    tool(&bin, VERIFY_BACKUP, arguments).await
}

/// Lays a copy as the data of the private PostgreSQL of the options' folder, whole or not at all. The next start
/// recovers it.
///
/// # Errors
/// [`ServersError::Used`] when there are data already; when files can not be read or written.
pub async fn lay(options: &Options, copy: &Path) -> Result<(), ServersError> {
    let (options, copy) = (options.clone(), copy.to_path_buf());
    blocking(move || {
        let place = Place::of(&options)?;
        if place.postgres.exists() {
            return Err(ServersError::Used(place.location));
        }
        let staged = place.location.join("postgres.laid");
        match fs::remove_dir_all(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &staged)(error));
            }
            _ => {}
        }
        ensure_private_dir(&staged, &place.account)?;
        copy_into(&copy, &staged, &place.account)?;
        fs::rename(&staged, &place.postgres).map_err(io_error("create", &place.postgres))?;
        sync(&place.location)
    })
    .await
}

/// Copies a folder's content, for the account alone, and makes it durable.
fn copy_into(from: &Path, to: &Path, account: &Account) -> Result<(), ServersError> {
    for entry in fs::read_dir(from).map_err(io_error("read", from))? {
        let entry = entry.map_err(io_error("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(io_error("look at", &source))?;
        if kind.is_dir() {
            ensure_private_dir(&target, account)?;
            copy_into(&source, &target, account)?;
        } else if kind.is_file() {
            fs::copy(&source, &target).map_err(io_error("copy", &source))?;
            let file = fs::File::open(&target).map_err(io_error("open", &target))?;
            file.sync_all().map_err(io_error("write", &target))?;
            account.own(&target)?;
        } else {
            // A table space elsewhere: the private PostgreSQL never has one.
            let source_error = io::Error::from(io::ErrorKind::Unsupported);
            return Err(io_error("copy", &source)(source_error));
        }
    }
    sync(to)
}

fn sync(folder: &Path) -> Result<(), ServersError> {
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("write", folder))
}

/// The PostgreSQL of the major version that wrote the data.
async fn postgres_for(options: &Options, data: &Path) -> Result<PostgresBin, ServersError> {
    let (options, data) = (options.clone(), data.to_path_buf());
    blocking(move || {
        let needed = Needed {
            needs: Needs::PostgresOnly,
            data: Some(&data),
        };
        let found = locate(&options, needed)?;
        Ok(found
            .postgres
            .expect("locate finds what is needed, or fails"))
    })
    .await
}

/// Runs a client program as this user, without the `PG*` variables and secrets of our environment.
async fn tool(
    bin: &PostgresBin,
    program: &'static str,
    arguments: Vec<OsString>,
) -> Result<(), ServersError> {
    let path = bin.bin_dir.join(program);
    if !path.is_file() {
        return Err(ServersError::NoTool {
            program,
            bin_dir: bin.bin_dir.clone(),
        });
    }
    let output = blocking(move || {
        let mut command = Command::new(&path);
        command
            .args(&arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .env_clear()
            .env("LC_ALL", "C");
        for kept in ["PATH", "LD_LIBRARY_PATH"].map(OsStr::new) {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.output().map_err(io_error("run", &path))
    })
    .await?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    let prefix = format!("{program}: error: ");
    let said = last.unwrap_or("it said nothing").trim();
    Err(ServersError::Tool {
        program,
        said: said.strip_prefix(&prefix).unwrap_or(said).to_owned(),
    })
}
