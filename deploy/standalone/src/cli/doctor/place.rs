//! The data folder, the disk below it, and the server programs.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use tidings_servers::{Needed, Needs, Options, locate};

use super::Finding;
use crate::cli::Session;

/// Less free space than this, and PostgreSQL may soon stop.
const FREE_BYTES_MIN: u64 = 1 << 30;

pub(super) fn folder(session: &Session) -> Finding {
    let home = &session.ground.home;
    let location = home.location();
    Finding::well(
        "data folder",
        if location == home.dir() {
            home.dir().display().to_string()
        } else {
            format!(
                "{}, whose private data lie in {}",
                home.dir().display(),
                location.display()
            )
        },
    )
}

/// A restore that has not ended, if there is one.
pub(super) fn half_restored(session: &Session) -> Option<Finding> {
    let name = "restore";
    match session.ground.home.restoring() {
        Ok(None) => None,
        Ok(Some(_)) => Some(Finding::ill(
            name,
            "a restore over this folder has not ended",
            "run `tidings restore` again, as it was",
        )),
        Err(error) => Some(Finding::failed(name, &error, "restore into another folder")),
    }
}

pub(super) fn disk(session: &Session) -> Finding {
    let location = session.ground.home.location();
    let existing = location.ancestors().find(|path| path.exists());
    let path: &Path = existing.unwrap_or(session.ground.home.dir());
    let remedy =
        "make room, or move the data folder to a larger disk: a full disk stops PostgreSQL";
    match statvfs(path) {
        Ok(disk) => judge_disk(disk.blocks_available() * disk.fragment_size(), remedy),
        Err(error) => Finding::failed("disk", &error, "check that the folder can be reached"),
    }
}

fn judge_disk(free_bytes: u64, remedy: &str) -> Finding {
    let found = format!("{} MiB free", free_bytes >> 20);
    if free_bytes < FREE_BYTES_MIN {
        Finding::ill("disk", found, remedy)
    } else {
        Finding::well("disk", found)
    }
}

/// The private servers' programs and versions; nothing when both are the user's own.
pub(super) async fn servers(session: &Session) -> Vec<Finding> {
    let config = &session.config;
    let needs = match (&config.database_url, &config.nats_url) {
        (Some(_), Some(_)) => return Vec::new(),
        (None, Some(_)) => Needs::PostgresOnly,
        (Some(_), None) => Needs::NatsOnly,
        (None, None) => Needs::Both,
    };
    let options = Options {
        needs,
        ..Options::from_env(session.ground.home.dir())
    };
    let data = session.ground.home.location().join("postgres");
    let located = tokio::task::spawn_blocking(move || {
        let needed = Needed {
            needs,
            data: Some(&data),
        };
        locate(&options, needed)
    });
    let remedy = "do as the message says, then ask again";
    match located.await {
        Ok(Ok(found)) => {
            let postgres = found.postgres.map(|it| {
                let found = format!("{} in {}", it.version, it.bin_dir.display());
                Finding::well("PostgreSQL", found)
            });
            let nats = found.nats.map(|it| {
                let found = format!("{} at {}", it.version, it.program.display());
                Finding::well("nats-server", found)
            });
            postgres.into_iter().chain(nats).collect()
        }
        Ok(Err(error)) => vec![Finding::failed("servers", &error, remedy)],
        Err(panic) => vec![Finding::failed("servers", &panic, "please report it")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_ill() {
        assert!(judge_disk(2 << 30, "x").well);
        assert!(!judge_disk((1 << 30) - 1, "x").well);
    }
}
