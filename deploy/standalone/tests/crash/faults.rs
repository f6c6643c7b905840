//! What is done to a run besides killing it: servers that hang, fill up, forget or go back in time, wires
//! that go silent, a process that is frozen past its deadlines. After each: everything settles, and the
//! checker finds nothing.

mod broker;
mod cluster;
mod database;
mod frozen;
mod hung;
mod wire;

use std::time::Duration;

use serde_json::json;
use tidings_sinks::{slack, smtp};
use tidings_tests::dice::{Dice, Seed};
use tidings_tests::program::Away;
use uuid::Uuid;

use crate::rounds::Round;
use crate::world::World;

/// One thing that is done to a run, in the middle of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NatsRolledBack,
    StreamPurged,
    StreamDeleted,
    ServersCrashed,
    DatabaseRestarted,
    DatabaseHung,
    DatabaseSilent,
    NatsSilent,
    MailCut,
    SlackCut,
    ProgramFrozen,
}

pub(crate) const FAULTS: [Fault; 11] = [
    Fault::NatsRolledBack,
    Fault::StreamPurged,
    Fault::StreamDeleted,
    Fault::ServersCrashed,
    Fault::DatabaseRestarted,
    Fault::DatabaseHung,
    Fault::DatabaseSilent,
    Fault::NatsSilent,
    Fault::MailCut,
    Fault::SlackCut,
    Fault::ProgramFrozen,
];

/// Connections that the mail channel has at the most.
const MAILS_AT_ONCE: u32 = 8;
/// More than attempts can be open over so many connections.
const READERS: usize = 60;
/// A send is in full course within this.
const BEGUN_WITHIN: Duration = Duration::from_secs(60);
/// What a fault does shows within this.
const SEEN_WITHIN: Duration = Duration::from_secs(60);
/// Whoever is answered at all is answered within this.
const AT_ONCE: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Fault {
    /// Whether the log cannot be reached meanwhile: then commands are answered by 503.
    fn takes_the_log_away(self) -> bool {
        match self {
            Self::ServersCrashed | Self::DatabaseRestarted => true,
            Self::DatabaseHung | Self::DatabaseSilent => true,
            Self::NatsRolledBack | Self::StreamPurged | Self::StreamDeleted => false,
            Self::NatsSilent | Self::MailCut | Self::SlackCut | Self::ProgramFrozen => false,
        }
    }
}

impl World {
    /// A round in the middle of which this happens. The program runs, and lives through it.
    pub(crate) async fn suffer(&mut self, fault: Fault) {
        self.ensure_up().await;
        if fault == Fault::NatsRolledBack {
            self.keep_a_copy_of_the_stream().await;
        }
        let round = self.in_mid_send(async |world| world.strike(fault).await);
        // Whoever is told that something is away tries again later, as `settle` does.
        match round.await {
            Ok(()) => {}
            Err(Away::Unavailable(_)) if fault.takes_the_log_away() => {}
            // Once it wakes it closes connections that have been idle for too long by then, and a question that was
            // on its way over one of them goes unanswered.
            Err(Away::Silent(_)) if fault == Fault::ProgramFrozen => {}
            Err(error) => panic!("during {fault:?}: {error}\n{}", self.program.said()),
        }
        let runs = self.program.runs();
        assert!(runs, "it died of {fault:?}:\n{}", self.program.said());
    }

    /// A round in the middle of which something is done by `strike`: until it returns, every connection waits for the
    /// last answer of its mail, unless it has them released.
    async fn in_mid_send(&mut self, strike: impl AsyncFnOnce(&Self)) -> Result<(), Away> {
        let stall = smtp::Rule::new(smtp::Phase::FinalDot, smtp::Action::Stall).recorded();
        let stalled = self.smtp.add_rule(stall.times(MAILS_AT_ONCE));
        let message = slack::Rule::new(slack::Action::Stall).recorded();
        let message = self.slack.add_rule(message.times(1));
        let round = self.round(Round {
            readers: READERS,
            ..Round::default()
        });
        let struck = async {
            // Every connection waits for the last answer of its mail.
            let begun = async {
                self.smtp.wait_for_hits(stalled, MAILS_AT_ONCE).await;
                self.slack.wait_for_hits(message, 1).await;
            };
            let begun = tokio::time::timeout(BEGUN_WITHIN, begun).await;
            assert!(begun.is_ok(), "nothing was sent:\n{}", self.program.said());
            self.somebody_leaves_in_time().await;
            let open = self.open_mails().await;
            assert!(open >= MAILS_AT_ONCE as usize, "{open} mails are open");
            strike(self).await;
            self.smtp.remove_rule(stalled);
            self.smtp.release();
            self.slack.remove_rule(message);
            self.slack.release();
        };
        let (round, ()) = tokio::join!(round, struck);
        round
    }

    /// A reader leaves whose mail nobody has begun to send: it must not go out.
    async fn somebody_leaves_in_time(&self) {
        let leaving = async {
            loop {
                let left_in_time = self.somebody_leaves().await;
                if !left_in_time.is_empty() {
                    return left_in_time;
                }
                // What an earlier round has left may be sent before this one's is planned.
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let left_in_time = tokio::time::timeout(BEGUN_WITHIN, leaving).await;
        let left_in_time = left_in_time.expect("most mails have not been begun");
        self.known().left_in_time.extend(left_in_time);
    }

    /// Gives the deliveries to them that were not attempted before they left.
    async fn somebody_leaves(&self) -> Vec<Uuid> {
        let still_there = "p.subject is not null and not exists (select from publishing_events e \
             where e.stream_id = p.subject and e.type = 'subscriber.Unsubscribed')";
        let readers = self.of_log(&waiting("p.subject", still_there)).await;
        let Some(reader) = readers.first() else {
            return Vec::new();
        };
        let path = format!("/api/v1/subscribers/{reader}/unsubscribe");
        let answer = self.program.api().command(&path, &json!({})).await.unwrap();
        self.tell(&answer.expect("a reader may leave"));
        let theirs = waiting("p.stream_id", &format!("p.subject = '{reader}'"));
        self.of_log(&theirs).await
    }

    /// Attempts to send a mail that have no outcome.
    async fn open_mails(&self) -> usize {
        let open = "select a.stream_id from publishing_events a \
             join publishing_events p on p.stream_id = a.stream_id and p.version = 1 \
             where a.type = 'delivery.Attempted' and p.subject is not null \
               and not exists (select from publishing_events e \
                               where e.stream_id = a.stream_id and e.version > a.version)";
        self.of_log(open).await.len()
    }

    /// Does it, and sees that it was done.
    async fn strike(&self, fault: Fault) {
        let mut dice = self.dice(&format!("{fault:?}"));
        match fault {
            Fault::NatsRolledBack => self.roll_back().await,
            Fault::StreamPurged => self.purge().await,
            Fault::StreamDeleted => self.delete_stream().await,
            Fault::ServersCrashed => {
                let before = self.postmaster();
                self.crash_servers().await;
                assert_ne!(self.postmaster(), before, "another PostgreSQL");
            }
            Fault::DatabaseRestarted => {
                let before = self.postmaster();
                self.servers.restart_postgres().await.unwrap();
                assert_ne!(self.postmaster(), before, "another PostgreSQL");
            }
            Fault::DatabaseHung => self.hang_database(seconds(&mut dice, 3)).await,
            Fault::DatabaseSilent => {
                self.silence_database(seconds(&mut dice, 3), &mut dice)
                    .await;
            }
            Fault::NatsSilent => self.silence_nats(seconds(&mut dice, 1), &mut dice).await,
            Fault::MailCut => {
                self.cut_off(&self.links.smtp, MAILS_AT_ONCE as usize).await;
            }
            Fault::SlackCut => self.cut_off(&self.links.slack, 1).await,
            Fault::ProgramFrozen => self.freeze(seconds(&mut dice, 1)).await,
        }
    }

    /// Panics if the program reads something from its database, now.
    async fn nothing_is_answered(&self) {
        let api = self.program.api();
        let answered = tokio::time::timeout(AT_ONCE, api.query("/api/v1/channels")).await;
        assert!(!matches!(answered, Ok(Ok(_))), "{answered:?}");
    }
}

/// Asks the log for planned deliveries that nothing has happened to yet, those first that are sent last.
fn waiting(what: &str, which: &str) -> String {
    format!(
        "select {what} from publishing_events p where p.type = 'delivery.Planned' and {which} \
           and not exists (select from publishing_events e \
                           where e.stream_id = p.stream_id and e.version > 1) \
         order by p.stream_id desc"
    )
}

/// From `least` to four more.
fn seconds(dice: &mut Dice, least: u64) -> Duration {
    Duration::from_secs(least) + Duration::from_millis(dice.below(4_000) as u64)
}

async fn survives(fault: Fault) {
    let seed = Seed::of_run();
    let mut world = World::new(seed.0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    world.suffer(fault).await;
    world.settle().await;
}
