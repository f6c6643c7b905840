//! Messages with another purpose than to bring mail: one asks somebody whether they want any, one brings them what is held
//! about them.

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

#[test]
fn what_is_held_about_them_goes_to_whoever_gets_mail_or_has_left_at_an_address_that_is_theirs() {
    use SuppressedReason as Reason;
    let rows = [
        (Standing::Active, None),
        (Standing::Unsubscribed, None),
        (Standing::Pending, Some(Reason::NotConfirmed)),
        (Standing::Erased, Some(Reason::Erased)),
    ];
    for (standing, of_standing) in rows {
        for (address, domain) in [(false, false), (true, false), (false, true), (true, true)] {
            let of_address = match (address, domain) {
                (true, _) => Some(Reason::AddressSuppressed),
                (false, true) => Some(Reason::DomainSuppressed),
                (false, false) => None,
            };
            let receiver = Receiver::Addressed {
                standing,
                subscriber_version: 1,
                address_suppressed: address,
                domain_suppressed: domain,
                // None of what is said about mail counts.
                topic_left: true,
                channel_left: true,
                over_cap: true,
            };
            let expected = of_standing.or(of_address);
            assert_eq!(receiver.forbids(Purpose::OwnData), expected, "{receiver:?}");
        }
    }
}
