//! Partitions: nothing comes through between the program and its database, nats-server or mail server; or only what one
//! of the two says.

use std::time::Duration;

use tidings_tests::dice::{Dice, Seed};
use tidings_tests::link::{Link, Way};

use super::{Fault, LOOK_AGAIN, SEEN_WITHIN, survives, survives_all};
use crate::rounds::Round;
use crate::world::World;

impl World {
    /// No byte comes from the database or goes there for a while, or only one way.
    pub(super) async fn silence_database(&self, way: Way, time: Duration, dice: &mut Dice) {
        let link = &self.links.database;
        link.set(way);
        self.nothing_is_answered().await;
        tokio::time::sleep(time).await;
        self.speak_again(link, dice).await;
    }

    /// None from nats-server, or there: what is told to callers meanwhile is in the log alone. Where only its answers do
    /// not come, the stream may have it too.
    pub(super) async fn silence_nats(&self, way: Way, time: Duration, dice: &mut Dice) {
        let link = &self.links.nats;
        link.set(way);
        self.somebody_leaves_in_time().await;
        let told = self.known().told.last().expect("somebody left").position;
        tokio::time::sleep(time).await;
        let last = self.last_sequence().await;
        let unheard = way == Way::Deaf || last < told;
        assert!(unheard, "sequence {last} came through after {told}");
        self.speak_again(link, dice).await;
    }

    /// Neither the answers of the mail server come, nor what it is told next, or only one of the two: all of it comes late, and
    /// that is all.
    pub(super) async fn silence_mail(&self, way: Way, time: Duration) {
        let doubts = async || self.reasons("delivery.InDoubt", "connection_lost").await;
        let before = doubts().await;
        self.links.smtp.set(way);
        self.smtp.release();
        tokio::time::sleep(time).await;
        self.links.smtp.set(Way::Open);
        assert_eq!(doubts().await, before, "{}", self.program.said());
    }

    /// Everything comes through again, or every connection turns out to be dead.
    async fn speak_again(&self, link: &Link, dice: &mut Dice) {
        if dice.once_in(2) {
            self.cut(link).await;
        }
        link.set(Way::Open);
    }

    /// A receiver is gone while so many messages wait for its last answer: nobody knows what became of them.
    pub(super) async fn cut_off(&self, link: &Link, messages: usize) {
        let doubts = async || self.reasons("delivery.InDoubt", "connection_lost").await;
        let expected = doubts().await + messages;
        self.cut(link).await;
        let doubted = async {
            while doubts().await < expected {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let doubted = tokio::time::timeout(SEEN_WITHIN, doubted).await;
        assert!(doubted.is_ok(), "no doubt:\n{}", self.program.said());
    }

    /// Every connection ends, and for a moment there is none to be had.
    pub(super) async fn cut(&self, link: &Link) {
        link.set(Way::Cut);
        tokio::time::sleep(Duration::from_millis(300)).await;
        link.set(Way::Open);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_out_of_reach_is_waited_for() {
    survives(Fault::DatabaseSilent(Way::Silent)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_hear_but_are_not_heard_and_the_other_way_round_are_waited_for() {
    let one_way = [Way::Deaf, Way::Mute];
    let database = one_way.map(Fault::DatabaseSilent);
    let nats = one_way.map(Fault::NatsSilent);
    survives_all(&[database, nats].concat()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_server_out_of_reach_is_done_without() {
    survives(Fault::NatsSilent(Way::Silent)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_hangs_up_leaves_doubts_and_no_copies() {
    survives(Fault::MailCut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_is_not_heard_or_does_not_hear_for_a_while_has_every_mail_once() {
    let ways = [Way::Silent, Way::Deaf, Way::Mute];
    survives_all(&ways.map(Fault::MailSilent)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_servers_crash_under_the_program() {
    survives(Fault::ServersCrashed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_hangs_up_leaves_a_doubt_and_no_copy() {
    survives(Fault::SlackCut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_of_events_that_hangs_up_gets_the_same_event_once_more_and_nothing_else_twice() {
    let mut world = World::new(Seed::of_run().0).await;
    world.ensure_up().await;
    world.suffer(Fault::WebhookCut).await;
    world.round(Round::default()).await.unwrap();
    let events = world.webhook.messages();
    let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    let [first, second, third] = ids[..] else {
        panic!("one of them twice, and the other once: {ids:?}");
    };
    assert!(first == second && second != third, "{ids:?}");
    assert_eq!(events[0].payload, events[1].payload);
    world.end().await;
}
