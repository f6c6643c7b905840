//! `tidings audit prove`: writes the proof that one event is in the log.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tidings_event_store::audit::prove;
use tidings_event_store::witness;

use super::{Opened, folder};
use crate::cli::global::{Global, Logs};
use crate::cli::paging::position;
use crate::cli::{CliError, Out, Session};
use crate::platform::{Backing, pinned_witness_key};

/// Write the proof that one event is in the log
///
/// The proof holds the event as it was recorded (what is personal in it stays sealed), hashes that lead from it to a
/// head of the log, and the line of the witness that signs this head. Of other events it shows the position, version
/// and digest of at most 31, and nothing of the rest but hashes. Anybody can check it with `tidings audit check`; no
/// platform and no database is needed for that. The event must have been witnessed, which takes about a second.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings audit prove 4711 --out proof.json")]
pub(in crate::cli) struct Prove {
    /// The event's position in the log
    #[arg(value_parser = position)]
    position: i64,
    /// Where to write the proof
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The folder of the witness [default: the setting witness.folder, or DIR/witness]
    #[arg(long, value_name = "FOLDER")]
    witness: Option<PathBuf>,
}

impl Prove {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<ExitCode, CliError> {
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let backing = Backing::start_database(&session.config, &session.ground.home).await?;
        let proven = match Opened::open(&session, &backing).await {
            Ok(opened) => {
                let proven = self.prove(&session, &opened, out).await;
                opened.pool.close();
                proven
            }
            Err(error) => Err(error.into()),
        };
        backing.stop().await?;
        telemetry.shutdown().await;
        proven.map(|()| ExitCode::SUCCESS)
    }

    async fn prove(self, session: &Session, opened: &Opened, out: Out) -> Result<(), CliError> {
        let pinned = pinned_witness_key(&session.ground.home.witness_key_file())?;
        let folder = folder(session, self.witness);
        let report = witness::check(&folder, pinned, &mut |_, _| ())?;
        let proof = prove(&opened.log, &folder, &report, self.position).await?;
        std::fs::write(&self.out, proof.to_json()).map_err(|source| CliError::Unwritable {
            path: self.out.clone(),
            source,
        })?;
        let (position, key) = (self.position, report.public_key);
        out.say(format!(
            "The proof for position {position} is in {}. Whoever checks it needs the public key from you by another \
             way:\n  {key}",
            self.out.display()
        ));
        out.result(&json!({ "position": position, "file": self.out, "public_key": key }));
        Ok(())
    }
}
