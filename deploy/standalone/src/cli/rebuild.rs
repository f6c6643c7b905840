//! `tidings rebuild`: folds a view anew from the log, while the old one goes on serving.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tidings_event_store::view::RebuildMode;
use tidings_projector::{RebuildError, Registered};

use super::global::{Global, Logs};
use super::{Bar, CliError, Out, Session};
use crate::platform::{Backing, Core, all_views};

/// Fold a view anew from the log
///
/// The log is the truth and every view is disposable. A rebuild folds the whole log into a new table while the old
/// one goes on serving, catches up, and takes its place in one short transaction. It may run beside a working
/// platform.
///
/// With --verify nothing is replaced: the new rows are compared with those in use, and the exit code is 1 if any
/// differ.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings rebuild publication_status    one view
  tidings rebuild all --verify          compare every view with the log, change nothing")]
pub(super) struct Rebuild {
    /// The view's name, or all
    view: String,
    /// Compare with the view in use instead of replacing it
    #[arg(long)]
    verify: bool,
}

impl Rebuild {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<ExitCode, CliError> {
        self.check_name()?;
        let session = global.session()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let Session { config, ground } = &session;
        let backing = Backing::start_database(config, &ground.home).await?;
        let rebuilt = match Core::open(config, ground, &backing).await {
            Ok(core) => {
                let rebuilt = self.rebuild(&session, &core, *out).await;
                core.close();
                rebuilt
            }
            Err(error) => Err(error.into()),
        };
        backing.stop().await?;
        telemetry.shutdown().await;
        rebuilt
    }

    /// Before any server is started for nothing.
    fn check_name(&self) -> Result<(), RebuildError> {
        let known: Vec<&'static str> = all_views().iter().map(Registered::name).collect();
        if self.view == "all" || known.contains(&self.view.as_str()) {
            return Ok(());
        }
        let name = self.view.clone();
        Err(RebuildError::Unknown { name, known })
    }

    async fn rebuild(
        &self,
        session: &Session,
        core: &Core,
        out: Out,
    ) -> Result<ExitCode, CliError> {
        let clock = &session.ground.clock;
        let mode = if self.verify {
            RebuildMode::Verify
        } else {
            RebuildMode::Replace
        };
        let (mut results, mut different) = (Vec::new(), 0);
        let asked = all_views().into_iter().map(|view| view.name());
        for name in asked.filter(|name| self.view == "all" || self.view == *name) {
            let bar = Bar::new(out, name, "events");
            let started = clock.monotonic();
            let mut tell = |_, at: tidings_event_store::view::RebuildProgress| {
                bar.set(at.position.unsigned_abs(), at.head.unsigned_abs());
            };
            let done = tidings_projector::rebuild(&core.store, &all_views(), name, mode, &mut tell)
                .await?;
            drop(bar);
            let seconds = clock.age(started).as_secs_f64();
            for (view, rebuilt) in done {
                let per_s = rate(rebuilt.position, seconds);
                different += rebuilt.differences;
                out.say(line(
                    view,
                    mode,
                    rebuilt.position,
                    rebuilt.differences,
                    seconds,
                    per_s,
                ));
                results.push(json!({
                    "view": view,
                    "position": rebuilt.position,
                    "differences": self.verify.then_some(rebuilt.differences),
                    "seconds": seconds,
                    "events_per_s": per_s,
                }));
            }
        }
        out.result(&json!({ "verified": self.verify, "views": results }));
        if different == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        out.note("error: views differ from the log: run `tidings rebuild all` to put them right");
        Ok(ExitCode::FAILURE)
    }
}

fn line(
    view: &str,
    mode: RebuildMode,
    position: i64,
    differences: i64,
    seconds: f64,
    per_s: f64,
) -> String {
    let verdict = match (mode, differences) {
        (RebuildMode::Replace, _) => "rebuilt".to_owned(),
        (RebuildMode::Verify, 0) => "equal to the log".to_owned(),
        (RebuildMode::Verify, n) => format!("{n} rows differ"),
    };
    format!("{view:24} {verdict}: {position} events in {seconds:.1} s ({per_s:.0} events/s)")
}

/// Events a second; 0 when it took no time.
#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(events: i64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        events as f64 / seconds
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_came_of_a_view() {
        let text = line("delivery_log", RebuildMode::Verify, 6_000, 0, 0.5, 12_000.0);
        insta::assert_snapshot!(text, @"delivery_log             equal to the log: 6000 events in 0.5 s (12000 events/s)");
        let text = line("delivery_log", RebuildMode::Verify, 6_000, 2, 0.5, 12_000.0);
        insta::assert_snapshot!(text, @"delivery_log             2 rows differ: 6000 events in 0.5 s (12000 events/s)");
    }

    #[test]
    fn an_unknown_view_is_refused_with_the_list() {
        let verb = Rebuild {
            view: "nonsense".to_owned(),
            verify: false,
        };
        let message = verb.check_name().unwrap_err().to_string();
        assert!(message.contains("all, channel_list"), "{message}");
    }
}
