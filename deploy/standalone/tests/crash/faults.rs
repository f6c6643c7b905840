//! What is done to a run besides killing it: servers that hang, fill up, forget or go back in time, wires
//! that go silent, a process that is frozen past its deadlines. After each: everything settles, and the
//! checker finds nothing.

mod broker;
mod cluster;
mod commit;
mod database;
mod disk;
mod failover;
mod frozen;
mod hung;
#[cfg(debug_assertions)]
mod idle;
mod put_back;
mod rival;
mod wire;

use std::time::Duration;

use serde_json::json;
use tidings_sinks::{slack, smtp};
use tidings_tests::dice::{Dice, Seed};
use tidings_tests::link::Way;
use tidings_tests::program::Away;
use uuid::Uuid;

use crate::rounds::Round;
use crate::world::World;

pub(crate) use rival::Rival;

/// One thing that is done to a run, most in the middle of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NatsRolledBack,
    StreamPurged,
    StreamDeleted,
    /// The one that leads the stream, of three.
    NatsKilled,
    /// The one that leads the stream hears nothing of the two others, or is not heard, or both.
    NatsParted(Way),
    ServersCrashed,
    DatabaseRestarted,
    DatabaseHung,
    /// Its disk runs full.
    DiskFull,
    /// Nothing comes through, or nothing that is asked, or no answer.
    DatabaseSilent(Way),
    /// The session is cut that commits.
    CommitCut(Way),
    /// The program stands still between the end of a commit and its answer, for longer than it would have waited.
    CommitFrozen,
    /// As [`Self::DatabaseSilent`].
    NatsSilent(Way),
    /// Its process stands still.
    NatsFrozen,
    MailCut,
    /// As [`Self::DatabaseSilent`], with the mail server, for less than an answer is waited for.
    MailSilent(Way),
    SlackCut,
    /// The webhook is gone while a message waits for its answer: that is sent once more.
    WebhookCut,
    ProgramFrozen,
    /// Past the deadlines of its attempts, with another program beside it.
    PastDeadline,
    /// Another program sends too, and ends or is hindered.
    TwoDispatchers(Rival),
    /// The database goes back to an earlier state, and the platform is restored.
    PutBack,
}

/// What may happen to any run.
const ANYWHERE: [Fault; 23] = [
    Fault::StreamPurged,
    Fault::StreamDeleted,
    Fault::ServersCrashed,
    Fault::DatabaseRestarted,
    Fault::DatabaseHung,
    Fault::DiskFull,
    Fault::DatabaseSilent(Way::Silent),
    Fault::DatabaseSilent(Way::Deaf),
    Fault::DatabaseSilent(Way::Mute),
    Fault::CommitCut(Way::Unasked),
    Fault::CommitCut(Way::Unheard),
    Fault::CommitFrozen,
    Fault::MailCut,
    Fault::MailSilent(Way::Silent),
    Fault::MailSilent(Way::Deaf),
    Fault::MailSilent(Way::Mute),
    Fault::SlackCut,
    Fault::WebhookCut,
    Fault::ProgramFrozen,
    Fault::PastDeadline,
    Fault::TwoDispatchers(Rival::Killed),
    Fault::TwoDispatchers(Rival::Cut),
    Fault::PutBack,
];
/// What may happen besides where there is one nats-server.
const WITH_ONE_NATS: [Fault; 5] = [
    Fault::NatsRolledBack,
    Fault::NatsFrozen,
    Fault::NatsSilent(Way::Silent),
    Fault::NatsSilent(Way::Deaf),
    Fault::NatsSilent(Way::Mute),
];
/// What may happen besides where there are three.
const WITH_A_CLUSTER: [Fault; 4] = [
    Fault::NatsKilled,
    Fault::NatsParted(Way::Silent),
    Fault::NatsParted(Way::Deaf),
    Fault::NatsParted(Way::Mute),
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
            Self::ServersCrashed | Self::DatabaseRestarted | Self::DiskFull => true,
            Self::DatabaseHung | Self::DatabaseSilent(_) => true,
            Self::NatsRolledBack | Self::StreamPurged | Self::StreamDeleted => false,
            Self::NatsKilled | Self::NatsParted(_) => false,
            Self::NatsSilent(_) | Self::NatsFrozen => false,
            Self::MailCut | Self::MailSilent(_) | Self::SlackCut | Self::WebhookCut => false,
            Self::CommitCut(_) => false,
            Self::ProgramFrozen | Self::CommitFrozen | Self::PastDeadline => false,
            Self::TwoDispatchers(_) | Self::PutBack => false,
        }
    }

    /// Whether the program stands still meanwhile: then nobody may answer.
    fn freezes(self) -> bool {
        matches!(
            self,
            Self::ProgramFrozen | Self::CommitFrozen | Self::PastDeadline
        )
    }
}

impl World {
    /// All that may happen to this run.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let more = match self.cluster {
            None => &WITH_ONE_NATS[..],
            Some(_) => &WITH_A_CLUSTER,
        };
        let mut faults = [&ANYWHERE, more].concat();
        faults.retain(|fault| *fault != Fault::DiskFull || disk::can_be_small());
        faults
    }

    /// A round to which this happens. The program runs, and lives through it unless it is restored or started anew for it.
    pub(crate) async fn suffer(&mut self, fault: Fault) {
        self.ensure_up().await;
        let round = match fault {
            Fault::DiskFull => self.run_out_of_disk().await,
            Fault::PastDeadline => self.freeze_past_the_deadlines().await,
            Fault::TwoDispatchers(rival) => self.send_beside(rival).await,
            Fault::PutBack => self.lose_and_put_back().await,
            _ => self.suffer_in_mid_send(fault).await,
        };
        // Whoever is told that something is away tries again later, as `settle` does.
        match round {
            Ok(()) => {}
            Err(Away::Unavailable(_)) if fault.takes_the_log_away() => {}
            // Who was told too late is told that nobody knows.
            Err(Away::Unavailable(_)) if fault.freezes() => {}
            // Once it wakes it closes connections that have been idle for too long by then, and a question that was
            // on its way over one of them goes unanswered.
            Err(Away::Silent(_)) if fault.freezes() => {}
            Err(error) => panic!("during {fault:?}: {error}\n{}", self.program.said()),
        }
        let runs = self.program.runs();
        assert!(runs, "it died of {fault:?}:\n{}", self.program.said());
    }

    async fn suffer_in_mid_send(&mut self, fault: Fault) -> Result<(), Away> {
        match fault {
            Fault::NatsRolledBack => self.keep_a_copy_of_the_stream().await,
            Fault::NatsKilled => self.keep_the_stream_three_times().await,
            _ => {}
        }
        self.in_mid_send(async |world| world.strike(fault).await)
            .await
    }

    /// A round in the middle of which something is done by `strike`: until it returns, every connection waits for the
    /// last answer of its mail, unless it has them released.
    async fn in_mid_send(&self, strike: impl AsyncFnOnce(&Self)) -> Result<(), Away> {
        self.in_mid_send_of(READERS, strike).await
    }

    /// The same with so many readers.
    async fn in_mid_send_of(
        &self,
        readers: usize,
        strike: impl AsyncFnOnce(&Self),
    ) -> Result<(), Away> {
        let mails = MAILS_AT_ONCE;
        let stall = smtp::Rule::new(smtp::Phase::FinalDot, smtp::Action::Stall).recorded();
        let stalled = self.smtp.add_rule(stall.times(mails));
        let message = slack::Rule::new(slack::Action::Stall).recorded().times(1);
        let event = self.webhook.add_rule(message.clone());
        let message = self.slack.add_rule(message);
        let round = self.round(Round {
            readers,
            ..Round::default()
        });
        let struck = async {
            // Every connection waits for the last answer of its mail.
            let begun = async {
                self.smtp.wait_for_hits(stalled, mails).await;
                self.slack.wait_for_hits(message, 1).await;
                self.webhook.wait_for_hits(event, 1).await;
            };
            let begun = tokio::time::timeout(BEGUN_WITHIN, begun).await;
            assert!(begun.is_ok(), "nothing was sent:\n{}", self.program.said());
            self.somebody_leaves_in_time().await;
            let open = self.open_mails().await;
            assert!(open >= mails as usize, "{open} mails are open");
            strike(self).await;
            self.smtp.remove_rule(stalled);
            self.smtp.release();
            self.slack.remove_rule(message);
            self.slack.release();
            self.webhook.remove_rule(event);
            self.webhook.release();
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
        let Some(reader) = self.somebody_who_waits().await else {
            return Vec::new();
        };
        let answer = self.program.api().command(&leave(reader), &json!({})).await;
        self.tell(&answer.unwrap().expect("a reader may leave"));
        self.waiting_for(reader).await
    }

    /// A reader whose mail nobody has begun to send, and who has not left.
    async fn somebody_who_waits(&self) -> Option<Uuid> {
        let still_there = "p.subject is not null and not exists (select from publishing_events e \
             where e.stream_id = p.subject and e.type = 'subscriber.Unsubscribed')";
        let readers = self.of_log(&waiting("p.subject", still_there)).await;
        readers.first().copied()
    }

    /// Deliveries to a reader that nobody has begun.
    async fn waiting_for(&self, reader: Uuid) -> Vec<Uuid> {
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
            Fault::DatabaseSilent(way) => {
                let time = seconds(&mut dice, 3);
                self.silence_database(way, time, &mut dice).await;
            }
            Fault::NatsSilent(way) => {
                let time = seconds(&mut dice, 1);
                self.silence_nats(way, time, &mut dice).await;
            }
            Fault::NatsFrozen => self.freeze_nats(seconds(&mut dice, 3)).await,
            Fault::NatsKilled => self.kill_leader().await,
            Fault::NatsParted(way) => self.part_leader(way).await,
            Fault::CommitCut(way) => self.cut_a_commit(way).await,
            Fault::CommitFrozen => self.freeze_in_a_commit().await,
            Fault::MailCut => {
                self.cut_off(&self.links.smtp, MAILS_AT_ONCE as usize).await;
            }
            Fault::MailSilent(way) => self.silence_mail(way, seconds(&mut dice, 1)).await,
            Fault::SlackCut => self.cut_off(&self.links.slack, 1).await,
            Fault::WebhookCut => self.cut_off(&self.links.webhook, 1).await,
            Fault::ProgramFrozen => self.freeze(seconds(&mut dice, 1)).await,
            Fault::DiskFull | Fault::PastDeadline | Fault::TwoDispatchers(_) | Fault::PutBack => {
                unreachable!("{fault:?} has a round of its own")
            }
        }
    }

    /// Panics if the program reads something from its database, now.
    async fn nothing_is_answered(&self) {
        let api = self.program.api();
        let answered = tokio::time::timeout(AT_ONCE, api.query("/api/v1/channels")).await;
        assert!(!matches!(answered, Ok(Ok(_))), "{answered:?}");
    }
}

/// The way by which a reader leaves.
fn leave(reader: Uuid) -> String {
    format!("/api/v1/subscribers/{reader}/unsubscribe")
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
    survives_all(&[fault]).await;
}

/// One after the other.
async fn survives_all(faults: &[Fault]) {
    let seed = Seed::of_run();
    let mut world = World::new(seed.0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    for fault in faults {
        world.suffer(*fault).await;
    }
    world.end().await;
}
