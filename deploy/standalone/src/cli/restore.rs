//! `tidings restore`: brings a platform back from a backup, or after its database was put back by other means.

use std::path::PathBuf;

use clap::Args;
use tidings_event_store::restore::Again;

use super::dispatch::waiting_lines;
use super::global::{Global, Hints, Logs};
use super::out::instant;
use super::{Bar, CliError, Out};
use crate::backup::Backup;
use crate::platform::witness_folder;
use crate::restore::{Restore as Engine, Source, Step, Summary, Witnessed};

/// Bring a platform back from a backup
///
/// Lays the backup as the data of an empty data folder and lets the log go on from there: a new incarnation begins,
/// attempts to deliver that were open in the backup come in doubt, and what the witness knows of consent since the
/// backup becomes part of the log again: who left stays left. Put the master key into the data folder first
/// (DIR/master.key), or set TIDINGS_MASTER_KEY. If NATS is yours (TIDINGS_NATS_URL), leave it as it is: its stream is asked
/// too, who left and to whom something was sent since the backup, as far as it holds that still.
///
/// Afterwards `tidings up` serves everything but sends nothing, until you have seen what waits (`tidings dispatch
/// show`), cancelled what must not go out a second time, and said so (`tidings dispatch release`).
///
/// With --in-place no backup is laid: the database was put back by other means, or has failed over to a replica that
/// lacked the last commits. Stop all processes of the platform first, and leave NATS as it is: its stream knows of the
/// last second who left, and to whom something was sent.
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
    /// The stream of before is gone, or is not to be asked: who left in the last second is written to again, and who was
    /// written to may be once more
    #[arg(long)]
    without_stream: bool,
}

impl Restore {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        match &self.backup {
            // Before a data folder is made.
            Some(folder) => drop(Backup::read(folder)?),
            None => global.must_exist()?,
        }
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
            Some(folder) => Source::Backup {
                folder,
                // A private one held what was beside the database, and went with it.
                read_stream: config.nats_url.is_some() && !self.without_stream,
            },
            None => Source::InPlace {
                read_stream: !self.without_stream,
            },
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
        let ends_at;
        let line = match step {
            Step::Verify => "Comparing the backup with its checksums …",
            Step::Lay => "Laying the data …",
            Step::Start => "Starting the database …",
            Step::Compare => "Comparing the log with what is known of before …",
            Step::Witnessed(witnessed) => {
                ends_at = format!("  {}", ends(witnessed));
                ends_at.as_str()
            }
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

/// So far a witness goes: who names an old copy sees it.
fn ends(Witnessed { position, at }: Witnessed) -> String {
    let written = at.map_or_else(String::new, |at| format!(", written {}", instant(at)));
    format!("the witness ends at position {position}{written}")
}

fn tell(out: Out, summary: &Summary, hints: &Hints) {
    out.say(report(summary));
    let Hints { program, data } = hints;
    out.say(format!(
        "Nothing is sent until you say so. Next:\n\
         \x20 {program} up{data}\n\
         \x20 cancel what must not go out again: POST /api/v1/publications/ID/cancel\n\
         \x20 {program} dispatch show{data}\n\
         \x20 {program} dispatch release{data}"
    ));
}

/// What came of it, for people.
fn report(summary: &Summary) -> String {
    let mut lines = vec![format!(
        "Restored: the log goes on after position {}, as incarnation {}.",
        summary.after_position, summary.incarnation
    )];
    if summary.lost.is_some() && summary.parted_after < summary.after_position {
        lines.push(format!(
            "  up to position {} it is known to be the log of before; what it holds after that stays too",
            summary.parted_after
        ));
    }
    lines.push(match summary.witness {
        Some(witnessed) => format!("  {}", ends(witnessed)),
        None => "  there was no witness; API keys that were revoked or rotated since let in again: see `tidings api-keys \
                 list`"
            .to_owned(),
    });
    if summary.without_stream {
        lines.push("  the stream of before was not read".to_owned());
    }
    let lost = summary.lost.map(|lost| lost.to_string());
    lines.push(format!(
        "  positions known to be lost        {}",
        lost.as_deref().unwrap_or("nothing tells how many")
    ));
    lines.extend(again(&summary.again));
    lines.push(format!(
        "  attempts to deliver, now in doubt {}",
        summary.doubted
    ));
    if summary.unknown_attempts > 0 {
        lines.push(format!(
            "    besides, of deliveries the log lacks: {}",
            summary.unknown_attempts
        ));
    }
    lines.push(waiting_lines(&summary.waiting, summary.notices));
    lines.join("\n")
}

fn again(again: &Again) -> Vec<String> {
    let mut lines = vec![format!(
        "  facts about consent among them    {}",
        again.facts
    )];
    for (event_type, count) in &again.events {
        lines.push(format!("    recorded again as {event_type:28} {count}"));
    }
    if again.unknown > 0 {
        lines.push(format!(
            "    of subscribers the log lacks, whose addresses are suppressed: {}",
            again.unknown
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;
    use uuid::Uuid;

    fn summary() -> Summary {
        Summary {
            incarnation: Uuid::from_u128(8),
            after_position: 120,
            parted_after: 90,
            lost_through: 100,
            lost: Some(10),
            witness: Some(Witnessed {
                position: 100,
                at: Some(datetime!(2026-03-01 10:00:00.25 UTC)),
            }),
            without_stream: false,
            again: Again {
                facts: 3,
                events: [("subscriber.Unsubscribed", 2)].into(),
                unknown: 1,
            },
            doubted: 4,
            notices: Default::default(),
            unknown_attempts: 5,
            waiting: Vec::new(),
        }
    }

    #[test]
    fn an_operator_sees_what_was_known_and_what_came_of_it() {
        let blind = Summary {
            after_position: 120,
            parted_after: 0,
            lost: None,
            witness: None,
            without_stream: true,
            again: Again::default(),
            doubted: 0,
            unknown_attempts: 0,
            ..summary()
        };
        let shown = format!("{}\n----\n{}", report(&summary()), report(&blind));
        insta::assert_snapshot!(shown);
    }
}
