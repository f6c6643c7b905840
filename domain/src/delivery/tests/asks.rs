//! A message that asks somebody whether they want mail.

use super::*;

fn asks(standing: Standing, address_suppressed: bool, domain_suppressed: bool) -> Permit {
    Permit {
        purpose: Purpose::AskForConsent,
        receiver: Receiver::Addressed {
            standing,
            subscriber_version: 1,
            address_suppressed,
            domain_suppressed,
            topic_left: false,
            channel_left: false,
            over_cap: false,
        },
        ..permit(standing)
    }
}

#[test]
fn whoever_has_not_said_yes_or_has_left_may_be_asked() {
    for standing in [Standing::Pending, Standing::Unsubscribed, Standing::Active] {
        let events = after(planned()).decide(attempt_at(NOW, asks(standing, false, false)));
        let attempted = matches!(events.as_deref(), Ok([Event::Attempted { attempt: 1, .. }]));
        assert!(attempted, "{standing}: {events:?}");
    }
}

#[test]
fn everything_else_forbids_a_question_as_it_forbids_mail() {
    use SuppressedReason as Reason;
    for (permit, reason) in [
        (asks(Standing::Erased, false, false), Reason::Erased),
        (
            asks(Standing::Pending, true, true),
            Reason::AddressSuppressed,
        ),
        (
            asks(Standing::Unsubscribed, false, true),
            Reason::DomainSuppressed,
        ),
    ] {
        let events = after(planned()).decide(attempt_at(NOW, permit));
        assert_eq!(events, Ok(vec![Event::Suppressed { reason }]));
    }
}
