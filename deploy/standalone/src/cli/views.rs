//! `tidings views`: where every view stands, and what to do about one that stands still.

use clap::{Args, Subcommand};
use serde_json::json;
use tidings_event_store::view::SkipReason;
use tidings_projector::view_positions::{ViewPosition, ViewPositions, standings};
use tidings_projector::{Stops, find, skip};

use super::global::Global;
use super::out::instant;
use super::paging::position;
use super::{CliError, Out, Session};
use crate::platform::{Core, all_views};

/// Show where every view stands
///
/// Of each view: its state (current, behind, stopped or redefined), how far it has folded the log and how many events
/// it has yet to fold, the number of its definition, which generation of its table serves, about how many rows it has, and
/// when it was last rebuilt. Below stands why a view is stopped, and how far a rebuild is that has not ended.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings views
  tidings views skip channel_list 1234 --reason 'settings of a channel type of another product'")]
pub(super) struct Views {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Skip(Skip),
}

/// Let a view skip the event it stands still at
///
/// The word for it goes into the log: from then on the event leads to no rows in that view, in every rebuild too, and
/// this cannot be taken back. Only the event that stops the view can be skipped. The view goes on within a second,
/// wherever it is folded. What the view shows lacks whatever the event said; all other views have it.
///
/// First see whether a later version of Tidings can fold the event: it may have been written by one.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings views skip channel_list 1234 --reason 'settings of a channel type of another product'")]
struct Skip {
    /// The view's name
    view: String,
    /// The position it stands still at
    #[arg(value_parser = position)]
    position: i64,
    /// Why, in one line. It stays in the log for ever: no names, no addresses
    #[arg(long, value_parser = SkipReason::parse)]
    reason: SkipReason,
}

impl Views {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<(), CliError> {
        if let Some(Action::Skip(asked)) = &self.action {
            // Before any server is started for nothing.
            find(&all_views(), &asked.view)?;
        }
        let session = global.existing()?;
        let act = async |core: &Core| match self.action {
            None => list(core, *out).await,
            Some(Action::Skip(asked)) => asked.run(&session, core, *out).await,
        };
        session.with_core(&session.masters(), act).await
    }
}

async fn list(core: &Core, out: Out) -> Result<(), CliError> {
    let views = standings(&core.store, &all_views(), &Stops::default()).await;
    let views = views.map_err(CliError::Views)?;
    out.say(table(&views));
    out.result(&views);
    Ok(())
}

fn table(views: &ViewPositions) -> String {
    let mut lines = vec![format!(
        "{:20} {:9} {:>11} {:>9} {:>5} {:>4} {:>11}  last rebuilt",
        "view", "state", "position", "lag", "fold", "gen", "rows"
    )];
    for view in &views.items {
        lines.push(line(view));
        lines.extend(view.reason.iter().map(|why| format!("  {why}")));
        lines.extend(view.rebuild.as_ref().map(|rebuild| {
            let (staged, head) = (rebuild.staged, rebuild.head);
            let state = if rebuild.running {
                "a rebuild is under way"
            } else {
                "a rebuild ended half way; `tidings rebuild` goes on with it"
            };
            format!("  {state}: {staged} of {head} events staged")
        }));
    }
    lines.push(format!("The log ends at position {}.", views.head));
    lines.join("\n")
}

fn line(view: &ViewPosition) -> String {
    let rows = view
        .rows
        .map_or_else(|| "?".to_owned(), |it| it.to_string());
    let rebuilt = view.rebuilt_at.map(instant);
    format!(
        "{:20} {:9} {:>11} {:>9} {:>5} {:>4} {rows:>11}  {}",
        view.view,
        view.state,
        view.position,
        view.lag,
        view.fold,
        view.generation,
        rebuilt.unwrap_or_else(|| "never".to_owned()),
    )
}

impl Skip {
    async fn run(self, session: &Session, core: &Core, out: Out) -> Result<(), CliError> {
        let Self {
            view,
            position,
            reason,
        } = self;
        let context = session.context();
        let registered = find(&all_views(), &view)?;
        let skipped = skip(&core.store, &registered, &context, position, reason).await?;
        let on_record = skipped.last_position;
        out.say(format!(
            "{view} skips position {position}; that is on record at position {on_record}."
        ));
        out.result(&json!({ "view": view, "skipped": position, "position": on_record }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_projector::view_positions::RebuildUnderWay;
    use time::macros::datetime;

    #[test]
    fn a_person_sees_where_every_view_stands() {
        let current = ViewPosition {
            view: "channel_list".to_owned(),
            state: "current".to_owned(),
            reason: None,
            position: 1_200_300,
            lag: 0,
            fold: 1,
            generation: 2,
            rows: Some(4),
            rebuilt_at: Some(datetime!(2026-03-01 10:00 UTC)),
            rebuild: None,
        };
        let stopped = ViewPosition {
            view: "subscriber_profile".to_owned(),
            state: "stopped".to_owned(),
            reason: Some("the view subscriber_profile stopped at position 1200001".to_owned()),
            position: 1_200_000,
            lag: 300,
            rows: None,
            rebuilt_at: None,
            rebuild: Some(RebuildUnderWay {
                running: false,
                staged: 500_000,
                head: 1_200_300,
                started_at: datetime!(2026-03-01 10:00 UTC),
            }),
            ..current.clone()
        };
        let shown = table(&ViewPositions {
            head: 1_200_300,
            items: vec![current, stopped],
        });
        insta::assert_snapshot!(shown);
    }
}
