//! `tidings dispatch`: what waits after a restore, and the word that lets it go.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::{Args, Subcommand};
use serde_json::json;
use tidings_dispatcher::held::{self, Waiting, WaitingNotices};
use tidings_domain::log::{Command, Log, Restored};
use tidings_domain::stream_id;
use tidings_event_store::Store;

use super::global::Global;
use super::{CliError, Out, Session};
use crate::platform::Core;

/// See what waits after a restore, and let it go
#[derive(Debug, Subcommand)]
pub(super) enum Dispatch {
    Show(Show),
    Release(Release),
}

/// Show what is left to deliver
///
/// Of each publication with deliveries that wait, or that nobody knows the outcome of: how many; and how many notices to
/// single readers do, such as mails that ask for a confirmation. Also says whether anything is sent at the moment: after a restore nothing is.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings dispatch show --data /srv/tidings")]
pub(super) struct Show {}

/// Let the platform send again after a restore
///
/// Shows what waits and asks. Deliveries that waited in the backup may have gone out after it was taken: cancel the
/// publications that must not go out twice before you say yes. What is in doubt stays as it is and is not sent again.
/// The word goes into the log; every process obeys it within a second.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings dispatch release
  tidings dispatch release --yes      without being asked")]
pub(super) struct Release {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Dispatch {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let session = global.existing()?;
        let act = async |core: &Core| self.act(&session, core, out).await;
        session.with_core(&session.masters(), act).await
    }

    async fn act(self, session: &Session, core: &Core, out: Out) -> Result<(), CliError> {
        let held_by = held_by(&core.store).await?;
        let waiting = held::waiting(&core.pool).await.map_err(CliError::Waiting)?;
        out.say(standing(held_by.as_ref()));
        let notices = held::waiting_notices(&core.pool).await;
        let notices = notices.map_err(CliError::Waiting)?;
        out.say(waiting_lines(&waiting, notices));
        let released = match (&self, held_by) {
            (Self::Release(release), Some(_)) => {
                release.confirmed(out)?;
                self::release(session, &core.store).await?;
                out.say("Released: sending goes on.");
                true
            }
            _ => false,
        };
        out.result(&json!({
            "held": held_by.is_some() && !released,
            "released": released,
            "restored": held_by.map(|restored| json!({
                "after_position": restored.after_position,
                "parted_after": restored.parted_after,
                "lost_through": restored.lost_through,
                "lost": restored.lost(),
            })),
            "waiting": waiting,
            "notices": notices,
        }));
        Ok(())
    }
}

impl Release {
    /// Nobody says yes by mistake, nor by a script that was not told to.
    fn confirmed(&self, out: Out) -> Result<(), CliError> {
        let refused = |what: &str| Err(CliError::Usage(what.to_owned()));
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return refused("nothing was released: say --yes where nobody can be asked");
        }
        out.say("Type yes to let it go:");
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        if read.is_ok() && answer.trim() == "yes" {
            return Ok(());
        }
        refused("nothing was released")
    }
}

async fn held_by(store: &Store) -> Result<Option<Restored>, CliError> {
    let log = store.load::<Log>(stream_id::log()).await;
    let log = log.map_err(|error| CliError::Surroundings(Box::new(error)))?;
    Ok(log.state.held_by().copied())
}

async fn release(session: &Session, store: &Store) -> Result<(), CliError> {
    let context = session.context();
    let released = store
        .execute::<Log>(stream_id::log(), &context, None, || {
            Command::ReleaseDispatch
        })
        .await;
    released
        .map(drop)
        .map_err(|error| CliError::Surroundings(Box::new(error)))
}

fn standing(held_by: Option<&Restored>) -> String {
    match held_by {
        None => "Sending is not held.".to_owned(),
        Some(restored) => format!(
            "Nothing is sent: the log was restored and goes on after position {}; {}.",
            restored.after_position,
            lost(restored)
        ),
    }
}

fn lost(restored: &Restored) -> String {
    match restored.lost() {
        None => "nothing tells how much was lost".to_owned(),
        Some(lost) => format!(
            "{lost} positions after {} are known to be lost",
            restored.parted_after
        ),
    }
}

/// A table for people.
pub(super) fn waiting_lines(waiting: &[Waiting], notices: WaitingNotices) -> String {
    let mut lines = vec![match waiting.is_empty() {
        true => "No publication has deliveries that wait or are in doubt.".to_owned(),
        false => format!(
            "{:36}  {:9} {:>9} {:>9} {:>9}  title",
            "publication", "state", "planned", "waiting", "in doubt"
        ),
    }];
    for it in waiting {
        lines.push(format!(
            "{:36}  {:9} {:>9} {:>9} {:>9}  {}",
            it.publication_id.to_string(),
            it.state,
            it.planned,
            it.pending,
            it.in_doubt,
            it.title.as_deref().unwrap_or("(taken down)"),
        ));
    }
    if notices != WaitingNotices::default() {
        lines.push(format!(
            "Besides, of notices to single readers: {} wait, {} are in doubt.",
            notices.pending, notices.in_doubt
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_operator_sees_what_to_decide_about() {
        let waiting = Waiting {
            publication_id: Uuid::from_u128(7),
            title: Some("The ferry".to_owned()),
            state: "planned".to_owned(),
            planned: 2_000,
            pending: 1_500,
            in_doubt: 12,
        };
        let held = Restored {
            incarnation: Uuid::from_u128(8),
            after_position: 4_711,
            parted_after: 4_711,
            lost_through: 5_000,
            backed_up_at: None,
        };
        let blind = Restored {
            parted_after: 0,
            ..held
        };
        let shown = format!(
            "{}\n{}\n----\n{}\n----\n{}\n{}",
            standing(Some(&held)),
            waiting_lines(
                &[waiting],
                WaitingNotices {
                    pending: 3,
                    in_doubt: 1
                }
            ),
            standing(Some(&blind)),
            standing(None),
            waiting_lines(&[], WaitingNotices::default())
        );
        insta::assert_snapshot!(shown);
    }
}
