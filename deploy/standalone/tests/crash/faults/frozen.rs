//! A process that stands still past its deadlines and then goes on as if nothing had been.

use std::time::Duration;

use nix::sys::signal::Signal;
use tidings_sinks::{slack, smtp};
use tidings_tests::dice::Seed;

use super::{Fault, survives};
use crate::rounds::Round;
use crate::world::World;

/// The shortest there is: an attempt on record is sent within this, or not at all.
const FRESH: Duration = Duration::from_secs(1);
/// Longer than an attempt by HTTP may take with the settings below, the grace after that, and a transaction
/// that stands idle.
const OVERDUE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl World {
    /// The program stands still for a while.
    pub(super) async fn freeze(&self, time: Duration) {
        self.program.signal(Signal::SIGSTOP);
        self.nothing_is_answered().await;
        tokio::time::sleep(time).await;
        self.program.signal(Signal::SIGCONT);
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
    let stalled = world.smtp.add_rule(stall.times(1));
    let round = world.round(Round::default());
    let frozen = async {
        let attempted = world.smtp.wait_for_hits(stalled, 1);
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
    world.settle().await;
}

/// Frozen past the deadline of its attempt: another process puts the doubt on record, and what the first
/// one then has to say changes nothing but the doubt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_past_its_deadline_is_in_doubt_whatever_its_process_says_later() {
    let seed = Seed::of_run();
    let settings = vec![
        ("TIDINGS_DISPATCHER__HTTP_DEADLINE_S", "1".to_owned()),
        ("TIDINGS_OUTBOUND__TIMEOUT_MS", "500".to_owned()),
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
    world.settle().await;
    other.program.stop().await;
}
