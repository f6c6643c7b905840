//! The checker notices what it is there for: logs that must not be, and journals that do not fit.

mod audience;
mod own_data;
mod restored;
mod segmented;
mod wishes;

use std::collections::HashMap;

use tidings_dispatcher::channel::Reach;
use tidings_dispatcher::channels::KINDS;
use tidings_domain::id::IdKey;
use tidings_domain::publication::Audience;
use tidings_domain::stream_id;
use tidings_domain::value::EmailAddress;
use tidings_event_store::{Recorded, uuid_bytes};
use tidings_proto::{
    EventMessage, channel, delivery, publication, subscriber, subscriber_import, suppression,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::deliveries::{Deliveries, Received};
use super::mailboxes::Mailboxes;
use super::no_id_twice;
use super::publications::ADDRESSED;
use super::readers::{Handed, are_those_of};

const READER: Uuid = Uuid::from_u128(1);
const DELIVERY: Uuid = Uuid::from_u128(3);
const PUBLICATION: Uuid = Uuid::from_u128(4);
const CHANNEL: Uuid = Uuid::from_u128(5);
const ANOTHER: Uuid = Uuid::from_u128(7);
const IMPORT: Uuid = Uuid::from_u128(8);
const FOLDER: Uuid = Uuid::from_u128(9);
const MAILBOX: &str = "amy@example.org";
const BOB: &str = "bob@example.org";

fn key() -> IdKey {
    IdKey::new([7; 32])
}

/// The stream of an address's suppression.
fn stream_of(address: &str) -> Uuid {
    stream_id::address_suppression(&key(), &EmailAddress::parse(address).unwrap())
}

/// A log as it grows.
#[derive(Clone, Default)]
struct Story(Vec<Recorded>);

impl Story {
    /// A reader signed up, a publication was published, and its delivery to them is planned.
    fn planned() -> Self {
        Self::published()
            .frozen(&[READER], 1)
            .plans(DELIVERY, READER)
    }

    /// A reader signed up, and a publication was published to everybody.
    fn published() -> Self {
        Self::default().signs_up(READER).publishes(&[CHANNEL])
    }

    fn publishes(self, channels: &[Uuid]) -> Self {
        self.publishes_about(&[], channels)
    }

    fn publishes_about(self, topics: &[Uuid], channels: &[Uuid]) -> Self {
        let ids = |ids: &[Uuid]| ids.iter().map(|id| uuid_bytes(*id)).collect();
        let drafted = publication::Drafted {
            channel_ids: ids(channels),
            topic_ids: ids(topics),
            ..publication::Drafted::default()
        };
        let published = publication::Published { content_version: 1 };
        self.configures(CHANNEL, "email")
            .then(PUBLICATION, &drafted)
            .then(PUBLICATION, &published)
    }

    fn configures(self, channel_id: Uuid, kind: &str) -> Self {
        let configured = channel::Configured {
            kind: kind.to_owned(),
            ..channel::Configured::default()
        };
        self.then(channel_id, &configured)
    }

    fn signs_up(self, reader: Uuid) -> Self {
        let address = if reader == ANOTHER { BOB } else { MAILBOX };
        let signed_up = subscriber::SignedUp {
            address_suppression_id: uuid_bytes(stream_of(address)),
            domain_suppression_id: uuid_bytes(Uuid::from_u128(6)),
            confirmation: "not_required".to_owned(),
            ..subscriber::SignedUp::default()
        };
        self.then(reader, &signed_up)
    }

    fn leaves(self, reader: Uuid) -> Self {
        self.then(reader, &subscriber::Unsubscribed::default())
    }

    /// As of now.
    fn frozen(self, readers: &[Uuid], deliveries: i64) -> Self {
        let frozen = self.audience(readers, deliveries);
        self.then(PUBLICATION, &frozen)
    }

    fn audience(&self, readers: &[Uuid], deliveries: i64) -> publication::AudienceFrozen {
        publication::AudienceFrozen {
            view_position: self.0.len() as i64,
            subscribers: readers.len() as i64,
            deliveries,
            audience_digest: Audience::digest_of(readers).to_vec().into(),
            ..publication::AudienceFrozen::default()
        }
    }

    fn plans(self, delivery_id: Uuid, reader: Uuid) -> Self {
        let planned = delivery::Planned {
            cause_id: uuid_bytes(PUBLICATION),
            content_version: 1,
            channel_id: uuid_bytes(CHANNEL),
            subscriber_id: uuid_bytes(reader),
            ..delivery::Planned::default()
        };
        self.then(delivery_id, &planned)
    }

    fn plan_completed(self, planned: i64, not_planned: i64) -> Self {
        let completed = publication::PlanCompleted {
            planned,
            not_planned,
        };
        self.then(PUBLICATION, &completed)
    }

    fn attempted(self, attempt: i32) -> Self {
        let attempted = delivery::Attempted {
            attempt,
            ..delivery::Attempted::default()
        };
        self.then(DELIVERY, &attempted)
    }

    fn sent(self, attempt: i32) -> Self {
        let sent = delivery::Sent {
            attempt,
            ..delivery::Sent::default()
        };
        self.then(DELIVERY, &sent)
    }

    fn in_doubt(self, attempt: i32) -> Self {
        let in_doubt = delivery::InDoubt {
            attempt,
            ..delivery::InDoubt::default()
        };
        self.then(DELIVERY, &in_doubt)
    }

    fn bounced(self, attempt: i32, digest: u8) -> Self {
        let bounced = delivery::Bounced {
            attempt,
            event_digest: vec![digest; 32].into(),
            ..delivery::Bounced::default()
        };
        self.then(DELIVERY, &bounced)
    }

    fn then<M: EventMessage>(mut self, stream_id: Uuid, event: &M) -> Self {
        let before = self.0.iter().filter(|it| it.stream_id == stream_id);
        let version = before.count() as i32 + 1;
        self.0.push(Recorded {
            position: self.0.len() as i64 + 1,
            stream_id,
            version,
            event_id: Uuid::from_u128(1_000 + self.0.len() as u128),
            event_type: M::TYPE.to_owned(),
            subject: None,
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            recorded_at: OffsetDateTime::UNIX_EPOCH,
            actor: String::new(),
            correlation_id: Uuid::nil(),
            causation: None,
            metadata: Default::default(),
            payload: event.encode_to_vec().into(),
            digest: [0; 32],
        });
        self
    }

    /// What the checker says to it with so many copies in the reader's mailbox.
    fn with_copies(self, copies: usize) {
        self.with_copies_in(MAILBOX, copies);
    }

    fn with_copies_in(self, mailbox: &str, copies: usize) {
        let copy = Received::Mail {
            delivery_id: DELIVERY,
            mailbox: mailbox.to_owned(),
        };
        let copies = vec![copy; copies];
        let deliveries = Deliveries::of(&self.0);
        let addresses = HashMap::from([(READER, MAILBOX.to_owned())]);
        if !self.moved() {
            deliveries.compare(&copies, &addresses, true);
        }
        deliveries.compare_in(&Mailboxes::with(key()), &copies, true);
    }

    /// Whether anybody has changed their address.
    fn moved(&self) -> bool {
        let mut types = self.0.iter().map(|it| it.event_type.as_str());
        types.any(|it| it == "subscriber.ContactChanged")
    }

    /// They get their mail at another address.
    fn moves_to(self, address: &str) -> Self {
        let changed = subscriber::ContactChanged {
            address_suppression_id: uuid_bytes(stream_of(address)),
            domain_suppression_id: uuid_bytes(Uuid::from_u128(6)),
            ..subscriber::ContactChanged::default()
        };
        self.then(READER, &changed)
    }

    fn folded(self) {
        Deliveries::of(&self.0);
    }

    /// What the checker says to it after a file with these addresses was worked off.
    fn with_file(self, lines: &[&str]) {
        let story = self.then(IMPORT, &subscriber_import::Completed::default());
        let file = Handed {
            import_id: Some(IMPORT),
            addresses: lines.iter().map(ToString::to_string).collect(),
        };
        are_those_of(&[file], &story.0, &Mailboxes::with(key()));
    }
}

#[test]
fn a_copy_for_what_was_sent_and_at_most_one_for_a_doubt() {
    Story::planned().attempted(1).sent(1).with_copies(1);
    let in_doubt = Story::planned().attempted(1).in_doubt(1);
    in_doubt.clone().with_copies(0);
    in_doubt.clone().with_copies(1);
    in_doubt.sent(1).with_copies(1);
}

#[test]
fn what_is_said_afterwards_moves_nothing_and_ends_a_doubt() {
    let spoken = Story::planned().attempted(1).in_doubt(1).sent(1);
    spoken.bounced(1, 1).bounced(0, 2).with_copies(1);
}

#[test]
#[should_panic(expected = "never attempted")]
fn a_bounce_of_what_never_left_is_noticed() {
    Story::planned().bounced(0, 1).folded();
}

#[test]
#[should_panic(expected = "reported twice")]
fn a_report_that_was_taken_twice_is_noticed() {
    let sent = Story::planned().attempted(1).sent(1);
    sent.bounced(1, 1).bounced(1, 1).folded();
}

#[test]
#[should_panic(expected = "in doubt and spoken of")]
fn a_doubt_that_a_bounce_has_not_ended_is_noticed() {
    let held = Story::planned().attempted(1).in_doubt(1);
    held.bounced(1, 1).folded();
}

#[test]
#[should_panic(expected = "0 copies")]
fn a_lost_copy_is_noticed() {
    Story::planned().attempted(1).sent(1).with_copies(0);
}

#[test]
#[should_panic(expected = "2 copies")]
fn a_second_copy_is_noticed() {
    Story::planned().attempted(1).in_doubt(1).with_copies(2);
}

#[test]
#[should_panic(expected = "1 copies")]
fn a_copy_without_an_attempt_is_noticed() {
    Story::planned().with_copies(1);
}

#[test]
#[should_panic(expected = "a copy from nowhere")]
fn a_copy_of_what_nobody_planned_is_noticed() {
    Story::default().with_copies(1);
}

#[test]
#[should_panic(expected = "is open")]
fn an_attempt_without_an_end_is_noticed() {
    Story::planned().attempted(1).with_copies(1);
}

#[test]
#[should_panic(expected = "attempted after its end, at 9")]
fn an_attempt_after_the_end_is_noticed() {
    Story::planned()
        .attempted(1)
        .sent(1)
        .attempted(2)
        .with_copies(1);
}

#[test]
#[should_panic(expected = "two attempts open at once, at 8")]
fn two_open_attempts_are_noticed() {
    Story::planned().attempted(1).attempted(2).with_copies(1);
}

#[test]
#[should_panic(expected = "attempted although it was forbidden (unsubscribed), at 8")]
fn an_attempt_after_an_unsubscribe_is_noticed() {
    Story::planned().leaves(READER).attempted(1).with_copies(0);
}

#[test]
#[should_panic(expected = "attempted although it was forbidden (suppressed), at 8")]
fn an_attempt_after_a_suppression_is_noticed() {
    let added = suppression::Added {
        reason: "complaint".to_owned(),
        ..suppression::Added::default()
    };
    Story::planned()
        .then(stream_of(MAILBOX), &added)
        .attempted(1)
        .with_copies(0);
}

#[test]
fn what_failed_may_be_opened_again() {
    let failed = delivery::Failed {
        attempt: 1,
        ..delivery::Failed::default()
    };
    let reopened = delivery::Reopened {
        attempts: 1,
        ..delivery::Reopened::default()
    };
    let story = Story::planned().attempted(1).then(DELIVERY, &failed);
    let story = story.then(DELIVERY, &reopened).attempted(2).sent(2);
    story.with_copies(1);
}

#[test]
#[should_panic(expected = "reopened although it was Some(Sent), at 9")]
fn what_was_sent_and_is_opened_again_is_noticed() {
    let reopened = delivery::Reopened {
        attempts: 1,
        ..delivery::Reopened::default()
    };
    let story = Story::planned().attempted(1).sent(1);
    story.then(DELIVERY, &reopened).with_copies(1);
}

#[test]
#[should_panic(expected = "never came to its end")]
fn a_retry_without_an_end_is_noticed() {
    let story = Story::planned().attempted(1).sent(1).plan_completed(1, 0);
    let completed = publication::Completed {
        sent: 1,
        ..publication::Completed::default()
    };
    let story = story
        .then(PUBLICATION, &completed)
        .then(PUBLICATION, &publication::RetryRequested::default());
    Deliveries::of(&story.0).all_settled();
}

#[test]
#[should_panic(expected = "never came to its end")]
fn a_publication_without_an_end_is_noticed() {
    Deliveries::of(&Story::planned().0).all_settled();
}

#[test]
#[should_panic(expected = "the books of")]
fn wrong_books_are_noticed() {
    let story = Story::planned()
        .attempted(1)
        .in_doubt(1)
        .plan_completed(1, 0)
        .then(PUBLICATION, &publication::Completed::default());
    Deliveries::of(&story.0).all_settled();
}

#[test]
#[should_panic(expected = "the mailbox of delivery")]
fn a_copy_in_another_mailbox_is_noticed() {
    let story = Story::planned().attempted(1).sent(1);
    story.with_copies_in("bob@example.org", 1);
}

#[test]
fn a_copy_is_where_the_mail_of_its_reader_went_when_it_was_attempted() {
    let tried = || Story::planned().attempted(1).in_doubt(1);
    // Once at each: the first may have come.
    let moved = || tried().moves_to(BOB);
    moved().with_copies(1);
    let before = Story::planned().moves_to(BOB).attempted(1).sent(1);
    before.with_copies_in(BOB, 1);
}

#[test]
#[should_panic(expected = "the mailbox of delivery")]
fn a_copy_at_an_address_that_was_given_up_before_is_noticed() {
    let moved = Story::planned().moves_to(BOB).attempted(1).sent(1);
    moved.with_copies_in(MAILBOX, 1);
}

#[test]
#[should_panic(expected = "the mailbox of delivery")]
fn a_copy_at_an_address_that_was_taken_only_later_is_noticed() {
    let moved = Story::planned().attempted(1).sent(1).moves_to(BOB);
    moved.with_copies_in(BOB, 1);
}

#[test]
#[should_panic(expected = "an event stands twice, at 2")]
fn an_event_that_was_carried_out_twice_is_noticed() {
    let mut story = Story::default().signs_up(READER).leaves(READER).0;
    story[1].event_id = story[0].event_id;
    no_id_twice(&story);
}

#[test]
fn the_subscribers_are_those_of_the_files() {
    let both = Story::default().signs_up(READER).signs_up(ANOTHER);
    both.with_file(&["bob@example.org", MAILBOX]);
}

#[test]
#[should_panic(expected = "the import has lost")]
fn a_line_that_led_to_nobody_is_noticed() {
    let one = Story::default().signs_up(READER);
    one.with_file(&[MAILBOX, "bob@example.org"]);
}

#[test]
#[should_panic(expected = "nobody brought")]
fn a_subscriber_from_nowhere_is_noticed() {
    let both = Story::default().signs_up(READER).signs_up(ANOTHER);
    both.with_file(&[MAILBOX]);
}

#[test]
#[should_panic(expected = "belongs to two readers")]
fn two_subscribers_with_one_address_are_noticed() {
    let twice = Story::default().signs_up(READER).signs_up(READER);
    twice.with_file(&[MAILBOX]);
}

#[test]
fn every_kind_with_single_receivers_is_known_as_one() {
    let addressed = KINDS.iter().filter(|kind| kind.reach == Reach::Addressed);
    let names: Vec<&str> = addressed.map(|kind| kind.name).collect();
    assert_eq!(names, ADDRESSED);
}
