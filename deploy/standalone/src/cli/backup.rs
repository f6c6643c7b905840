//! `tidings backup`: a copy of the database while it works, without the key that opens it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tidings_servers::Options;

use super::audit::Opened;
use super::global::{Global, Logs};
use super::{CliError, Out};
use crate::backup;
use crate::platform::{Backing, MasterKeys, witness_folder};

/// Copy the database, while it works
///
/// Makes a new folder below DIR, with the data of the private PostgreSQL, the WAL that makes them consistent, and a
/// manifest of checksums, with which the copy is compared at once. It may run beside a working platform, and holds at
/// least everything that was acknowledged before it began. Nothing is ever removed from DIR.
///
/// The master key is not in it: keep that elsewhere, for without it no backup can be opened. Keep the witness
/// elsewhere too, as it grows: it knows who left after the backup. The folder holds readers' addresses; only you can
/// read it.
///
/// A database of your own (TIDINGS_DATABASE_URL) is backed up with its own tools; after putting it back, run
/// `tidings restore --in-place`.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings backup /mnt/backups --data /srv/tidings")]
pub(super) struct Backup {
    /// Where the backup's folder is made; made itself if the folder around it is there
    dir: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        backup::Backup::may_go_to(&self.dir)?;
        let session = global.existing()?;
        if session.config.database_url.is_some() {
            return Err(CliError::Usage(
                "the database is yours (database_url): back it up with its own tools, and after putting it back run \
                 `tidings restore --in-place`"
                    .to_owned(),
            ));
        }
        let telemetry = session.telemetry(Logs::Quiet)?;
        let backing = Backing::start_database(&session.config, &session.ground.home).await?;
        out.say("Copying the database …");
        let taken = match Opened::open(&session, &backing).await {
            Ok(opened) => {
                let options = Options::from_env(session.ground.home.dir());
                let now = session.ground.clock.now();
                let servers = backing.servers().expect("the database is a private one");
                let taken =
                    backup::Backup::take(&self.dir, (servers, &options), &opened.log, now).await;
                opened.pool.close();
                taken.map_err(CliError::from)
            }
            Err(error) => Err(error.into()),
        };
        backing.stop().await?;
        telemetry.shutdown().await;
        let (taken, folder) = taken?;
        let unfinished = backup::Backup::unfinished(&self.dir);
        for left in &unfinished {
            out.say(format!(
                "A backup was begun in {} and is not finished: unless it is under way, remove it with rm -r",
                left.display()
            ));
        }
        let key = MasterKeys::of(&session.config, &session.ground).place();
        let witness = witness_folder(&session.config, &session.ground.home);
        out.say(format!(
            "The backup is in {}: the log up to position {}, compared with its checksums.\n\
             It can be restored only together with what is not in it:\n\
             \x20 the master key   {key}\n\
             \x20 the witness      {} (the newest one there is)",
            folder.display(),
            taken.position,
            witness.path().display(),
        ));
        out.result(&json!({
            "folder": folder,
            "backup": taken,
            "unfinished": unfinished,
            "not_in_it": { "master_key": key, "witness": witness.path() },
        }));
        Ok(())
    }
}
