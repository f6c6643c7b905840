//! What forbids an attempt, and which of several reasons is given.

use super::*;

fn to(receiver: Receiver) -> Permit {
    Permit {
        receiver,
        ..permit(Standing::Active)
    }
}

#[test]
fn whatever_forbids_an_attempt_settles_the_delivery() {
    // The reasons by rank, each with what it takes; all that rank lower hold as well.
    let ranked = [
        (Standing::Erased, 0, SuppressedReason::Erased),
        (Standing::Unsubscribed, 0, SuppressedReason::Unsubscribed),
        (Standing::Pending, 0, SuppressedReason::NotConfirmed),
        (Standing::Active, 0, SuppressedReason::AddressSuppressed),
        (Standing::Active, 1, SuppressedReason::DomainSuppressed),
        (Standing::Active, 2, SuppressedReason::TopicLeft),
        (Standing::Active, 3, SuppressedReason::ChannelLeft),
        (Standing::Active, 4, SuppressedReason::FrequencyCap),
    ];
    for (standing, spared, reason) in ranked {
        let receiver = Receiver::Addressed {
            standing,
            subscriber_version: 1,
            address_suppressed: spared < 1,
            domain_suppressed: spared < 2,
            topic_left: spared < 3,
            channel_left: spared < 4,
            over_cap: true,
        };
        let decided = after(planned()).decide(attempt_at(NOW, to(receiver)));
        assert_eq!(decided, Ok(vec![Event::Suppressed { reason }]));
    }
    let mut receiver = permit(Standing::Active).receiver;
    assert_eq!(receiver.forbids(Purpose::Mail), None);
    receiver.forbid_over_cap();
    let reason = Some(SuppressedReason::FrequencyCap);
    assert_eq!(receiver.forbids(Purpose::Mail), reason);
    assert_eq!(receiver.forbids(Purpose::AskForConsent), None);
}

#[test]
fn what_nobody_wants_sent_any_more_is_cancelled_whoever_it_is_for() {
    let over = Permit {
        cause_may_send: false,
        ..permit(Standing::Unsubscribed)
    };
    let reason = CancelledReason::PublicationCancelled;
    let decided = after(planned()).decide(attempt_at(NOW, over));
    assert_eq!(decided, Ok(vec![Event::Cancelled { reason }]));
}
