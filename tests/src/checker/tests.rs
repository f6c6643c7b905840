//! The checker notices what it is there for: logs that must not be, and journals that do not fit.

use tidings_event_store::{Recorded, uuid_bytes};
use tidings_proto::{EventMessage, delivery, publication, subscriber, suppression};
use time::OffsetDateTime;
use uuid::Uuid;

use super::deliveries::{Deliveries, Received};

const READER: Uuid = Uuid::from_u128(1);
const ADDRESS: Uuid = Uuid::from_u128(2);
const DELIVERY: Uuid = Uuid::from_u128(3);
const PUBLICATION: Uuid = Uuid::from_u128(4);
const CHANNEL: Uuid = Uuid::from_u128(5);

/// A log as it grows.
#[derive(Clone, Default)]
struct Story(Vec<Recorded>);

impl Story {
    /// A reader signed up, a publication was published, and its delivery to them is planned.
    fn planned() -> Self {
        let signed_up = subscriber::SignedUp {
            address_suppression_id: uuid_bytes(ADDRESS),
            domain_suppression_id: uuid_bytes(Uuid::from_u128(6)),
            ..subscriber::SignedUp::default()
        };
        let planned = delivery::Planned {
            cause_id: uuid_bytes(PUBLICATION),
            channel_id: uuid_bytes(CHANNEL),
            subscriber_id: uuid_bytes(READER),
            ..delivery::Planned::default()
        };
        Self::default()
            .then(READER, &signed_up)
            .then(PUBLICATION, &publication::Published::default())
            .then(DELIVERY, &planned)
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

    fn then<M: EventMessage>(mut self, stream_id: Uuid, event: &M) -> Self {
        self.0.push(Recorded {
            position: self.0.len() as i64 + 1,
            stream_id,
            version: 1,
            event_id: Uuid::nil(),
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
        let copies = vec![Received::Delivery(DELIVERY); copies];
        Deliveries::of(&self.0).compare(&copies, true);
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
#[should_panic(expected = "attempted after its end, at 6")]
fn an_attempt_after_the_end_is_noticed() {
    Story::planned()
        .attempted(1)
        .sent(1)
        .attempted(2)
        .with_copies(1);
}

#[test]
#[should_panic(expected = "two attempts open at once, at 5")]
fn two_open_attempts_are_noticed() {
    Story::planned().attempted(1).attempted(2).with_copies(1);
}

#[test]
#[should_panic(expected = "attempted after an unsubscribe, at 5")]
fn an_attempt_after_an_unsubscribe_is_noticed() {
    Story::planned()
        .then(READER, &subscriber::Unsubscribed::default())
        .attempted(1)
        .with_copies(0);
}

#[test]
#[should_panic(expected = "attempted after a suppression, at 5")]
fn an_attempt_after_a_suppression_is_noticed() {
    let added = suppression::Added {
        reason: "complaint".to_owned(),
        ..suppression::Added::default()
    };
    Story::planned()
        .then(ADDRESS, &added)
        .attempted(1)
        .with_copies(0);
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
        .then(PUBLICATION, &publication::PlanCompleted::default())
        .then(PUBLICATION, &publication::Completed::default());
    Deliveries::of(&story.0).all_settled();
}
