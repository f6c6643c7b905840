//! `tidings rebuild`: folds views anew from the log, while the old ones go on serving.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tidings_event_store::view::{
    Bounds, Phase, RebuildMode, RebuildOptions, RebuildProgress, Rebuilt,
};
use tidings_projector::Registered;
use tidings_service::config::Hooks;

use super::global::Global;
use super::{Bar, CliError, Out, Session};
use crate::platform::{Core, all_views};

/// Each reader takes a connection and a core.
const READERS_MAX: u64 = 16;

/// Fold views anew from the log
///
/// The log is the truth and every view is disposable. A rebuild folds the whole log into new tables while the old
/// ones go on serving, catches up, and puts them into service in one short transaction. All views are folded in one
/// pass over the log. It may run beside a working platform; more readers make it faster and take more from others.
///
/// It may be stopped at any time, even by kill -9: what is folded is staged every few million events, and the next
/// rebuild of the same view goes on from there.
///
/// With --verify nothing is replaced: the new rows are compared with those in use, and the exit code is 1 if any
/// differ.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings rebuild publication_status    one view
  tidings rebuild all --readers 4       every view, as fast as may be
  tidings rebuild all --verify          compare every view with the log, change nothing")]
pub(super) struct Rebuild {
    /// The view's name, or all
    view: String,
    /// Compare with the view in use instead of replacing it
    #[arg(long)]
    verify: bool,
    /// Parts of the log read side by side
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=READERS_MAX))]
    readers: u64,
    /// Begin anew, though an earlier rebuild has left something to go on from
    #[arg(long)]
    restart: bool,
}

impl Rebuild {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<ExitCode, CliError> {
        // Before any server is started for nothing.
        let views = tidings_projector::named(&all_views(), &self.view)?;
        let session = global.existing()?;
        let act = async |core: &Core| self.rebuild(&session, core, &views, *out).await;
        session.with_core(&session.masters(), act).await
    }

    async fn rebuild(
        &self,
        session: &Session,
        core: &Core,
        views: &[Registered],
        out: Out,
    ) -> Result<ExitCode, CliError> {
        let clock = &session.ground.clock;
        let options = RebuildOptions {
            readers: usize::try_from(self.readers).unwrap_or(1),
            restart: self.restart,
            bounds: bounds(&session.config.hooks),
            ..RebuildOptions::new(self.mode())
        };
        let bar = Bar::new(out, &self.view, "events");
        let started = clock.monotonic();
        let mut show = |at: RebuildProgress| {
            match at.phase {
                Phase::Waiting(view) if out.is_terminal() => bar.say(&waits(view)),
                Phase::Waiting(view) => return out.note(waits(view)),
                Phase::Folding => bar.say(""),
                Phase::Writing(view) => bar.say(&format!("writing {view}")),
            }
            bar.start_from(at.from.unsigned_abs());
            bar.set(at.position.unsigned_abs(), at.head.unsigned_abs());
        };
        let rebuilt = tidings_projector::rebuild(&core.store, views, &options, &mut show).await?;
        drop(bar);
        let seconds = clock.age(started).as_secs_f64();
        Ok(self.tell(&rebuilt, seconds, out))
    }

    fn mode(&self) -> RebuildMode {
        if self.verify {
            RebuildMode::Verify
        } else {
            RebuildMode::Replace
        }
    }

    fn tell(&self, rebuilt: &[Rebuilt], seconds: f64, out: Out) -> ExitCode {
        for view in rebuilt {
            out.say(line(view, self.mode()));
        }
        let folded = folded(rebuilt);
        let per_s = rate(folded, seconds);
        out.say(format!(
            "{folded} events in one pass, {seconds:.1} s ({per_s:.0} events/s)"
        ));
        let views: Vec<_> = rebuilt
            .iter()
            .map(|view| {
                json!({
                    "view": view.view,
                    "position": view.position,
                    "resumed_from": (view.from > 0).then_some(view.from),
                    "differences": self.verify.then_some(view.differences),
                })
            })
            .collect();
        out.result(&json!({
            "verified": self.verify,
            "views": views,
            "events": folded,
            "seconds": seconds,
            "events_per_s": per_s,
        }));
        if rebuilt.iter().all(|view| view.differences == 0) {
            return ExitCode::SUCCESS;
        }
        out.note("error: views differ from the log: run `tidings rebuild all` to put them right");
        ExitCode::FAILURE
    }
}

fn waits(view: &str) -> String {
    format!("waits for another rebuild of {view} to end")
}

/// Short ranges, each of them staged, if a test wants them.
fn bounds(hooks: &Hooks) -> Bounds {
    let all = Bounds::default();
    hooks.rebuild_range.map_or(all, |range| Bounds {
        range: range.get().into(),
        stage_every: range.get().into(),
        ..all
    })
}

fn line(view: &Rebuilt, mode: RebuildMode) -> String {
    let verdict = match (mode, view.differences) {
        (RebuildMode::Replace, _) => "rebuilt".to_owned(),
        (RebuildMode::Verify, 0) => "equal to the log".to_owned(),
        (RebuildMode::Verify, n) => format!("{n} rows differ"),
    };
    let resumed = if view.from > 0 {
        format!(", going on from {}", view.from)
    } else {
        String::new()
    };
    format!(
        "{:24} {verdict} at position {}{resumed}",
        view.view, view.position
    )
}

/// Events the pass went through.
fn folded(rebuilt: &[Rebuilt]) -> i64 {
    let to = rebuilt.iter().map(|view| view.position).max();
    let from = rebuilt.iter().map(|view| view.from).min();
    to.unwrap_or(0) - from.unwrap_or(0)
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
        let view = Rebuilt {
            view: "delivery_log",
            position: 6_000,
            from: 0,
            differences: 0,
        };
        let text = line(&view, RebuildMode::Verify);
        insta::assert_snapshot!(text, @"delivery_log             equal to the log at position 6000");
        let view = Rebuilt {
            from: 5_000,
            differences: 2,
            ..view
        };
        let text = line(&view, RebuildMode::Verify);
        insta::assert_snapshot!(text, @"delivery_log             2 rows differ at position 6000, going on from 5000");
        assert_eq!(folded(&[view]), 1_000);
    }

    #[test]
    fn an_unknown_view_is_refused_with_the_list() {
        let unknown = tidings_projector::named(&all_views(), "nonsense").err();
        let message = unknown.unwrap().to_string();
        assert!(
            message.contains("all, access_log, api_key_list"),
            "{message}"
        );
    }
}
