//! `tidings audit verify`: recomputes every hash of the log, and compares it with the witness.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tidings_event_store::audit::{Finding, Verified, VerifyProgress, verify};
use tidings_event_store::witness::{self, Compared, Folder, PublicKey, WitnessReport};

use super::{Opened, folder};
use crate::cli::global::{Global, Logs};
use crate::cli::out::instant;
use crate::cli::{Bar, CliError, Out, Session};
use crate::platform::{Backing, pinned_witness_key};

/// Recompute every hash of the log, and name the first position that was changed
///
/// Reads the whole log and recomputes the digest of every event, the hashes of groups and batches, and the chain of
/// batches; checks that positions and versions are complete and in order. It may run beside a working platform, and it
/// changes nothing. The exit code is 1 if anything is not what was recorded.
///
/// Whoever owns the database can rewrite the log together with all its hashes. With --witness the log is also compared
/// with the signed heads and the facts about consent that the platform wrote down outside the database. The witness
/// must carry the key that stands in DIR/witness.pub, or the one you give. A restore makes the log go back, and is no finding:
/// each one that the witness or the log knows of is listed, with what it gave up; see that you know of it too.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings audit verify                          the log against its own hashes
  tidings audit verify --witness                and against the witness
  tidings audit verify --witness /mnt/witness   a copy of the witness, kept elsewhere")]
pub(in crate::cli) struct Verify {
    /// Compare with the witness in FOLDER [default: the setting witness.folder, or DIR/witness]
    #[arg(long, value_name = "FOLDER")]
    witness: Option<Option<PathBuf>>,
    /// Who must have signed the witness [default: the key in DIR/witness.pub]
    #[arg(long, value_name = "KEY", requires = "witness")]
    public_key: Option<PublicKey>,
}

/// The witness as it was found, and what came of the comparison.
struct Witnessed {
    folder: Folder,
    report: WitnessReport,
    compared: Compared,
}

impl Verify {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<ExitCode, CliError> {
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let backing = Backing::start_database(&session.config, &session.ground.home).await?;
        let verified = match Opened::open(&session, &backing).await {
            Ok(opened) => {
                let verified = self.verify(&session, &opened, out).await;
                opened.pool.close();
                verified
            }
            Err(error) => Err(error.into()),
        };
        backing.stop().await?;
        telemetry.shutdown().await;
        verified
    }

    async fn verify(
        self,
        session: &Session,
        opened: &Opened,
        out: Out,
    ) -> Result<ExitCode, CliError> {
        let pinned = pinned_witness_key(&session.ground.home.witness_key_file())?;
        let public_key = self.public_key.or(pinned);
        // First, for it is quick, and what the log is compared with must be right itself.
        let witnessed = match self.witness {
            None => None,
            Some(named) => {
                let folder = folder(session, named);
                let report = witness::check(&folder, public_key, &mut |_, _| ())?;
                believed(&folder, &report, public_key)?;
                Some((folder, report))
            }
        };
        let clock = &session.ground.clock;
        let started = clock.monotonic();
        let bar = Bar::new(out, "log", "events");
        let mut tell = |at: VerifyProgress| bar.set(at.events, at.of);
        let readers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let verified = verify(&opened.pool, readers, &mut tell).await;
        drop(bar);
        let verified = verified.map_err(CliError::Log)?;
        let seconds = clock.age(started).as_secs_f64();
        let witnessed = match witnessed {
            None => None,
            Some((folder, report)) => Some(Witnessed {
                compared: witness::compare(&opened.log, &folder, &report).await?,
                folder,
                report,
            }),
        };
        let public_key = witnessed
            .as_ref()
            .map(|it| it.report.public_key)
            .or(public_key);
        let finding = first(&verified, witnessed.as_ref());
        tell_people(out, &verified, witnessed.as_ref(), public_key, seconds);
        tell_programs(out, &verified, witnessed.as_ref(), public_key, seconds);
        Ok(match finding {
            None => ExitCode::SUCCESS,
            Some(finding) => {
                out.note(format!("error: {finding}"));
                ExitCode::FAILURE
            }
        })
    }
}

/// Somebody who rewrote the log and the witness would have signed it with a key of their own.
fn believed(
    folder: &Folder,
    report: &WitnessReport,
    public_key: Option<PublicKey>,
) -> Result<(), CliError> {
    if public_key.is_some() {
        return Ok(());
    }
    let (folder, signer) = (folder.path().display(), report.public_key);
    Err(CliError::Usage(format!(
        "nothing says who must have signed the witness in {folder}: if {signer} is the key that your platform told you \
         (GET /api/v1/audit), say --public-key {signer}"
    )))
}

/// What the log says of itself and what the witness says of it, whichever is more precise.
fn first(verified: &Verified, witnessed: Option<&Witnessed>) -> Option<Finding> {
    let of_witness = witnessed.and_then(|it| it.compared.finding);
    match (verified.finding, of_witness) {
        (Some(one), Some(other)) => Some(one.first(other)),
        (one, other) => one.or(other),
    }
}

fn tell_people(
    out: Out,
    verified: &Verified,
    witnessed: Option<&Witnessed>,
    public_key: Option<PublicKey>,
    seconds: f64,
) {
    let verdict = if first(verified, witnessed).is_none() {
        "The log is sound"
    } else {
        "The log is not what was recorded"
    };
    let (events, batches) = (verified.events, verified.batches);
    let per_s = rate(events, seconds);
    out.say(format!(
        "{verdict}: {events} events in {batches} batches verified in {seconds:.1} s ({per_s:.0} events/s)."
    ));
    if let Some(head) = verified.head {
        out.say(format!("  head         position {}", head.position));
        out.say(format!("  batch hash   {}", head.batch_hash));
        out.say(format!("  incarnation  {}", head.incarnation));
    }
    if let Some(Witnessed {
        folder,
        report,
        compared,
    }) = witnessed
    {
        out.say(format!("  witness      {}", folder.path().display()));
        out.say(format!(
            "               {} of {} heads and {} facts compared, up to position {}{}",
            compared.heads,
            report.heads,
            report.facts,
            report.position,
            report
                .at
                .map_or_else(String::new, |at| format!(" at {}", instant(at))),
        ));
        for note in notes(verified, report, compared) {
            out.say(format!("               {note}"));
        }
    }
    if let Some(key) = public_key {
        out.say(format!("  public key   {key}"));
    }
}

/// What is no fault, but worth knowing of a witness.
fn notes(verified: &Verified, report: &WitnessReport, compared: &Compared) -> Vec<String> {
    let mut notes = Vec::new();
    let head = verified.head.map_or(0, |head| head.position);
    if head > report.position {
        let beyond = head - report.position;
        notes.push(format!("{beyond} events after that are not witnessed"));
    }
    if report.begins_at_line > 1 {
        let line = report.begins_at_line;
        notes.push(format!(
            "it begins at line {line}: earlier files are not here"
        ));
    }
    if report.half_written_bytes > 0 {
        notes.push("its last line is half-written and does not count".to_owned());
    }
    if let Some(after) = compared.restored_after {
        notes.push(format!(
            "since its last line the log was restored to position {after}; the platform writes that down when it runs"
        ));
    }
    for it in &report.given_up {
        notes.push(format!(
            "line {} of {}: the log was restored to position {}, and what was witnessed up to {} given up",
            it.line, instant(it.at), it.after, it.through
        ));
    }
    notes
}

fn tell_programs(
    out: Out,
    verified: &Verified,
    witnessed: Option<&Witnessed>,
    public_key: Option<PublicKey>,
    seconds: f64,
) {
    let finding = first(verified, witnessed);
    let finding = finding.map(|finding| {
        json!({
            "position": finding.position,
            "through": finding.through,
            "code": finding.code,
            "sentence": finding.to_string(),
        })
    });
    let witness = witnessed.map(|it| {
        json!({
            "folder": it.folder.path(),
            "report": it.report,
            "heads_compared": it.compared.heads,
            "restored_after": it.compared.restored_after,
        })
    });
    out.result(&json!({
        "sound": finding.is_none(),
        "finding": finding,
        "events": verified.events,
        "batches": verified.batches,
        "head": verified.head,
        "witness": witness,
        "public_key": public_key,
        "seconds": seconds,
        "events_per_s": rate(verified.events, seconds),
    }));
}

/// Events a second; 0 when it took no time.
#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(events: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        events as f64 / seconds
    } else {
        0.0
    }
}
