//! A process that stands still past its deadlines and then goes on as if nothing had been.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::json;
use tidings_sinks::{slack, smtp};
use tidings_tests::dice::Seed;
use tidings_tests::link::Way;
use tidings_tests::program::{Away, processes_naming};

use super::{Fault, MAILS_AT_ONCE, leave, survives};
use crate::rounds::Round;
use crate::world::World;

/// The shortest there is: an attempt on record is sent within this, or not at all.
const FRESH: Duration = Duration::from_secs(1);
/// What a commit waits for its answer, and about what a caller waits for a commit.
const PATIENCE: Duration = Duration::from_secs(5);
/// Commits that may be on their way before the one that is meant.
const TRIES_MAX: usize = 5;
/// By how much the clock of the other program is ahead where deadlines are to be passed, in seconds: more than an attempt
/// of any kind may take, and the grace after that; less than a delivery is put off for.
const AHEAD_S: &str = "1200";
/// Longer than an attempt by HTTP may take with the settings below, the grace after that, and a transaction
/// that stands idle.
const OVERDUE: Duration = Duration::from_secs(60);
/// Readers of whom some wait for a connection to the mail server.
const MORE_THAN_CONNECTIONS: usize = 40;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl World {
    /// The program stands still for a while.
    pub(super) async fn freeze(&self, time: Duration) {
        self.program.signal(Signal::SIGSTOP);
        self.nothing_is_answered().await;
        tokio::time::sleep(time).await;
        self.program.signal(Signal::SIGCONT);
    }

    /// nats-server stands still for a while; what is told to callers meanwhile is in the log alone.
    pub(super) async fn freeze_nats(&self, time: Duration) {
        let location = self.servers.location().to_str().unwrap();
        let [nats] = processes_naming(location, &["nats-server"])[..] else {
            panic!("one nats-server runs over {location}");
        };
        kill(nats, Signal::SIGSTOP).unwrap();
        self.somebody_leaves_in_time().await;
        tokio::time::sleep(time).await;
        kill(nats, Signal::SIGCONT).unwrap();
    }

    /// The database has committed that somebody leaves, and before its answer comes through the program stands still: for
    /// longer than it waits for an answer, and lets a caller wait.
    pub(super) async fn freeze_in_a_commit(&self) {
        for _ in 0..TRIES_MAX {
            if self.froze_in_a_commit().await {
                return;
            }
        }
        panic!("nobody's leave was on its way:\n{}", self.program.said());
    }

    /// False: it was another commit whose answer did not come, and this one was not asked for.
    async fn froze_in_a_commit(&self) -> bool {
        let reader = self.somebody_who_waits().await;
        let reader = reader.expect("most mails have not been begun");
        let link = &self.links.database;
        link.set(Way::Late);
        let (api, path, nothing) = (self.program.api(), leave(reader), json!({}));
        let mut leaving = std::pin::pin!(api.command(&path, &nothing));
        let left = format!(
            "select stream_id from publishing_events \
             where stream_id = '{reader}' and type = 'subscriber.Unsubscribed'"
        );
        let recorded = async {
            while self.of_log(&left).await.is_empty() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::select! {
            told = &mut leaving => {
                link.set(Way::Open);
                assert!(matches!(told, Err(Away::Unavailable(_))), "{told:?}");
                return false;
            }
            () = recorded => {}
        }
        self.program.signal(Signal::SIGSTOP);
        link.set(Way::Open);
        tokio::time::sleep(PATIENCE * 2).await;
        self.program.signal(Signal::SIGCONT);
        match leaving.await {
            Ok(answer) => drop(self.tell(&answer.expect("a reader may leave"))),
            // That nobody knows, or nothing: the connection has been idle for too long.
            Err(Away::Unavailable(_) | Away::Silent(_)) => {}
        }
        let waiting = self.waiting_for(reader).await;
        self.known().left_in_time.extend(waiting);
        true
    }

    /// The program stands still with mails and two messages by HTTP on their way, until another one, for which their deadlines
    /// have passed, has put all of them in doubt; then their receivers answer, and it goes on.
    pub(super) async fn freeze_past_the_deadlines(&mut self) -> Result<(), Away> {
        let mut other = self.another_program().await;
        let ahead = ("TIDINGS_TEST_CLOCK_AHEAD_S", AHEAD_S.to_owned());
        other.program.set(vec![ahead]);
        let round = self.in_mid_send(async |world| {
            let overdue = async || world.reasons("delivery.InDoubt", "deadline_passed").await;
            let expected = overdue().await + MAILS_AT_ONCE as usize + 2;
            world.program.signal(Signal::SIGSTOP);
            // Only now: before, it would have taken its share of the deliveries.
            assert!(other.program.up(None).await, "{}", other.program.said());
            let doubted = async {
                while overdue().await < expected {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            let doubted = tokio::time::timeout(OVERDUE, doubted).await;
            other.program.kill(false);
            world.smtp.release();
            world.slack.release();
            world.webhook.release();
            world.program.signal(Signal::SIGCONT);
            assert!(doubted.is_ok(), "nobody noticed:\n{}", other.program.said());
        });
        let round = round.await;
        self.ended.push(other);
        round
    }

    /// How many events of a type give this reason.
    pub(super) async fn reasons(&self, event_type: &str, reason: &str) -> usize {
        let head = self.store.log().head().await.unwrap().position;
        let events = self.store.log().page_after(0, head).await.unwrap();
        events
            .iter()
            .filter(|event| event.event_type == event_type)
            .map(|event| tidings_proto::to_json(event_type, &event.payload).unwrap())
            .filter(|event| event["reason"] == reason)
            .count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_stands_still_goes_on() {
    survives(Fault::ProgramFrozen).await;
}

/// Frozen between the record of an attempt and its first byte: the record is stale then, nothing is sent
/// for it, and the reader gets the mail by the next attempt, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_too_long_ago_is_not_sent() {
    let seed = Seed::of_run();
    let fresh = ("TIDINGS_DISPATCHER__ATTEMPT_FRESH_S", "1".to_owned());
    let mut world = World::with(seed.0, vec![fresh]).await;
    world.ensure_up().await;
    let stall = smtp::Rule::new(smtp::Phase::MailFrom, smtp::Action::Stall);
    let stalled = world.smtp.add_rule(stall.times(MAILS_AT_ONCE));
    // More than there are connections, which all stand still: somebody waits for one.
    let round = world.round(Round {
        readers: MORE_THAN_CONNECTIONS,
        ..Round::default()
    });
    let frozen = async {
        let attempted = async {
            world.smtp.wait_for_hits(stalled, MAILS_AT_ONCE).await;
            while world.open_mails().await <= MAILS_AT_ONCE as usize {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(OVERDUE, attempted).await.unwrap();
        world.program.signal(Signal::SIGSTOP);
        world.smtp.release();
        tokio::time::sleep(FRESH * 2).await;
        world.program.signal(Signal::SIGCONT);
    };
    let (round, ()) = tokio::join!(round, frozen);
    round.unwrap();
    assert!(
        world.reasons("delivery.Abandoned", "stale").await > 0,
        "the stale attempt is on record as abandoned"
    );
    world.end().await;
}

/// Frozen past the deadline of its attempt: another process puts the doubt on record, and what the first
/// one then has to say changes nothing but the doubt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_past_its_deadline_is_in_doubt_whatever_its_process_says_later() {
    let seed = Seed::of_run();
    let settings = vec![
        ("TIDINGS_DISPATCHER__HTTP_DEADLINE_S", "6".to_owned()),
        ("TIDINGS_OUTBOUND__TIMEOUT_MS", "5000".to_owned()),
    ];
    let mut world = World::with(seed.0, settings).await;
    world.ensure_up().await;
    let mut other = world.another_program().await;
    let stall = slack::Rule::new(slack::Action::Stall).recorded();
    let stalled = world.slack.add_rule(stall.times(1));
    let round = world.round(Round::default());
    let frozen = async {
        let attempted = world.slack.wait_for_hits(stalled, 1);
        tokio::time::timeout(OVERDUE, attempted).await.unwrap();
        world.program.signal(Signal::SIGSTOP);
        // Only now: before, it would have taken its share of the deliveries.
        assert!(other.program.up(None).await, "{}", other.program.said());
        let doubted = async {
            while world.reasons("delivery.InDoubt", "deadline_passed").await == 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let doubted = tokio::time::timeout(OVERDUE, doubted).await;
        world.slack.release();
        world.program.signal(Signal::SIGCONT);
        assert!(doubted.is_ok(), "nobody noticed:\n{}", other.program.said());
    };
    // Its callers may have waited too long for a frozen process.
    let (_, ()) = tokio::join!(round, frozen);
    world.end().await;
    other.program.stop().await;
}

/// Frozen past the deadlines of its mails and of two messages by HTTP, as the other process sees it.
#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_past_their_deadline_are_in_doubt_whatever_their_process_says_later() {
    survives(Fault::PastDeadline).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_came_while_nobody_ran_to_hear_it_is_told_as_it_is() {
    survives(Fault::CommitFrozen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_server_that_stands_still_is_done_without() {
    survives(Fault::NatsFrozen).await;
}
