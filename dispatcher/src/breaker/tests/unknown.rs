//! Whom a mail server says nobody is.

use super::*;

/// Nobody has the address.
fn nobody() -> Outcome {
    Outcome::Failed {
        reason: Reason::BadAddress,
        code: 550,
        reply: "550 5.1.1 no such user".to_owned(),
        blame: Blame::Address,
    }
}

/// A relay that has forgotten everybody says of each that nobody has the address.
#[test]
fn that_nobody_has_an_address_is_believed_of_who_takes_mail_for_others() {
    let (breaker, closed) = (Breaker::default(), way(Circuit::Closed));
    let unknown = nobody();
    let is_unknown = |way: &Way, n, outcome: &Outcome| {
        let judged = breaker.judge(way, whose(n), outcome, NOW);
        assert_eq!(judged.verdict, Verdict::Nothing);
        judged.is_unknown
    };
    assert!(!is_unknown(&closed, 1, &unknown), "nothing was taken yet");
    assert!(!is_unknown(&closed, 2, &sent()));
    let in_a_row = [3, 4, 5, 6, 7].map(|n| is_unknown(&closed, n, &unknown));
    assert_eq!(in_a_row, [true, true, true, false, false]);
    // What is said of others meanwhile is no proof.
    assert!(!is_unknown(&closed, 8, &fails(Blame::Receiver)));
    assert!(!is_unknown(&closed, 9, &unknown));
    assert!(!is_unknown(&closed, 10, &sent()));
    assert!(is_unknown(&closed, 11, &unknown));
    let set_up_anew = Way {
        version: 2,
        ..way(Circuit::Closed)
    };
    assert!(!is_unknown(&set_up_anew, 12, &unknown));
}

/// A relay that has lost the table of one domain, and passes mail to others on.
#[test]
fn of_a_domain_where_nobody_is_known_any_more_few_are_believed_to_be_unknown() {
    let (breaker, closed) = (Breaker::default(), way(Circuit::Closed));
    let unknown = nobody();
    let judged = |n, domain, outcome: &Outcome| {
        let domain_id = Some(Uuid::from_u128(domain));
        let whose = Whose {
            domain_id,
            ..whose(n)
        };
        breaker.judge(&closed, whose, outcome, NOW).is_unknown
    };
    let inside = [1, 2, 3, 4, 5].map(|n| {
        judged(10 + n, 2, &sent());
        judged(n, 1, &unknown)
    });
    assert_eq!(inside, [true, true, true, false, false]);
    judged(20, 2, &sent());
    assert!(judged(21, 2, &unknown), "elsewhere");
    judged(22, 1, &sent());
    assert!(judged(23, 1, &unknown), "somebody is known there again");
}
