//! `tidings restore`: brings a platform back from a backup, or after its database was put back by other means.

use std::path::PathBuf;

use clap::Args;

use super::dispatch::waiting_lines;
use super::global::{Global, Hints, Logs};
use super::{Bar, CliError, Out};
use crate::platform::witness_folder;
use crate::restore::{Restore as Engine, Source, Step, Summary};

/// Bring a platform back from a backup
///
/// Lays the backup as the data of an empty data folder and lets the log go on from there: a new incarnation begins,
/// attempts to deliver that were open in the backup come in doubt, and what the witness knows of consent since the
/// backup becomes part of the log again: who left stays left. Put the master key into the data folder first
/// (DIR/master.key), or set TIDINGS_MASTER_KEY.
///
/// Afterwards `tidings up` serves everything but sends nothing, until you have seen what waits (`tidings dispatch
/// show`), cancelled what must not go out a second time, and said so (`tidings dispatch release`).
///
/// With --in-place no backup is laid: the database was put back by other means, or has failed over to a replica that
/// lacked the last commits. Stop all processes of the platform first.
///
/// A restore that was killed is run again, as it was, and goes on.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings restore /mnt/backups/tidings-20260301T020000Z-4711 --data /srv/new --witness /mnt/witness
  tidings restore --in-place --data /srv/tidings    after a failover, or with a database of yours")]
pub(super) struct Restore {
    /// The folder that `tidings backup` made
    #[arg(required_unless_present = "in_place")]
    backup: Option<PathBuf>,
    /// Go on from the database as it is
    #[arg(long, conflicts_with = "backup")]
    in_place: bool,
    /// The folder of the witness [default: the setting witness.folder, or DIR/witness]
    #[arg(long, value_name = "FOLDER")]
    witness: Option<PathBuf>,
    /// There is none: those who left after the backup are written to again
    #[arg(long, conflicts_with = "witness")]
    without_witness: bool,
}

impl Restore {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let session = global.session_whatever_state()?;
        let (config, ground) = (&session.config, &session.ground);
        let source = match self.backup {
            Some(_) if config.database_url.is_some() => {
                return Err(CliError::Usage(
                    "the database is yours (database_url): put it back with its own tools, then run `tidings restore \
                     --in-place`"
                        .to_owned(),
                ));
            }
            Some(folder) => Source::Backup(folder),
            None => Source::InPlace,
        };
        let telemetry = session.telemetry(Logs::Quiet)?;
        let claim = ground.home.claim().await?;
        let named = self.witness.map(tidings_event_store::witness::Folder::new);
        let witness = named.unwrap_or_else(|| witness_folder(config, &ground.home));
        let engine = Engine {
            config,
            ground,
            source,
            witness: (!self.without_witness).then_some(witness),
        };
        let mut shown = Shown { out, bar: None };
        let restored = engine.run(&mut |step| shown.show(step)).await;
        drop(shown);
        drop(claim);
        telemetry.shutdown().await;
        let summary = restored?;
        tell(out, &summary, &global.hints());
        out.result(&summary);
        Ok(())
    }
}

/// What a person sees meanwhile.
struct Shown {
    out: Out,
    bar: Option<Bar>,
}

impl Shown {
    fn show(&mut self, step: Step) {
        let line = match step {
            Step::Verify => "Comparing the backup with its checksums …",
            Step::Lay => "Laying the data …",
            Step::Start => "Starting the database …",
            Step::Compare => "Comparing the log with the witness …",
            Step::Begin => "Beginning a new incarnation of the log …",
            Step::Facts(done, of) => {
                let out = self.out;
                let bar = self
                    .bar
                    .get_or_insert_with(|| Bar::new(out, "who left, and came back", "streams"));
                bar.set(done, of);
                return;
            }
            Step::CatchUp => "Putting open attempts in doubt, and bringing the views up to date …",
        };
        self.bar = None;
        self.out.say(line);
    }
}

fn tell(out: Out, summary: &Summary, hints: &Hints) {
    let Summary {
        incarnation,
        after_position,
        lost_through,
        stream_not_read,
        again,
        doubted,
        waiting,
    } = summary;
    out.say(format!(
        "Restored: the log goes on after position {after_position}, as incarnation {incarnation}."
    ));
    if let Some(why) = stream_not_read {
        out.say(format!("  the stream of before was not read: {why}"));
    }
    let lost = lost_through - after_position;
    out.say(format!("  positions known to be lost        {lost}"));
    out.say(format!(
        "  facts about consent among them    {}",
        again.facts
    ));
    for (event_type, count) in &again.events {
        out.say(format!("    recorded again as {event_type:28} {count}"));
    }
    if again.unknown > 0 {
        out.say(format!(
            "    of subscribers the log lacks, whose addresses are suppressed: {}",
            again.unknown
        ));
    }
    out.say(format!("  open attempts, now in doubt       {doubted}"));
    out.say(waiting_lines(waiting));
    let Hints { program, data } = hints;
    out.say(format!(
        "Nothing is sent until you say so. Next:\n\
         \x20 {program} up{data}\n\
         \x20 cancel what must not go out again: POST /api/v1/publications/ID/cancel\n\
         \x20 {program} dispatch show{data}\n\
         \x20 {program} dispatch release{data}"
    ));
}
