//! What outcomes in a row do to a circuit, and whose fault they are.

mod unknown;

use super::*;
use tidings_domain::channel::Setup;
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::value::{ChannelKind, ChannelName, Settings};
use tidings_proto::Reason;
use time::Duration;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

fn way(circuit: Circuit) -> Way {
    let setup = Setup {
        kind: ChannelKind::parse("email").unwrap(),
        name: ChannelName::parse("mail").unwrap(),
        settings: Settings::parse(serde_json::json!({})).unwrap(),
        credentials: None,
        times: 1,
        former: vec![],
    };
    Way {
        channel_id: Uuid::nil(),
        version: 1,
        setup_version: 1,
        state: Channel::Enabled { setup, circuit },
        kind: None,
        doubt: DoubtPolicy::Hold,
        channel: None,
        wrong: None,
    }
}

fn probing(openings: u32) -> Circuit {
    Circuit::Open {
        probe_at: NOW,
        openings,
        met_by: MetBy::Nobody,
        refuses: false,
    }
}

fn fails(blame: Blame) -> Outcome {
    Outcome::Deferred {
        reason: Reason::ConnectFailed,
        code: 0,
        reply: String::new(),
        retry_after: None,
        blame,
    }
}

fn sent() -> Outcome {
    Outcome::Sent {
        code: 250,
        reply: String::new(),
        provider_message_id: None,
    }
}

fn opens(failures: u32, seconds: i64, openings: u32) -> Verdict {
    Verdict::Opens {
        reason: Code::from_static("connect_failed"),
        failures,
        probe_at: NOW + Duration::seconds(seconds),
        openings,
    }
}

/// The n-th delivery, and its receiver.
fn whose(n: u128) -> Whose {
    Whose {
        delivery_id: Uuid::from_u128(n),
        receiver_id: Uuid::from_u128(1_000 + n),
        domain_id: Some(Uuid::from_u128(5_000 + n)),
    }
}

/// What the outcome of the n-th delivery does to the circuit.
fn judge(breaker: &Breaker, way: &Way, n: u128, outcome: &Outcome) -> Verdict {
    breaker.judge(way, whose(n), outcome, NOW).verdict
}

#[test]
fn three_failures_in_a_row_open_it_and_those_behind_them_wait_as_long() {
    let (breaker, way) = (Breaker::default(), way(Circuit::Closed));
    let fails = |n| judge(&breaker, &way, n, &fails(Blame::Network));
    assert_eq!([fails(1), fails(2)], [Verdict::Nothing, Verdict::Nothing]);
    assert_eq!(fails(3), opens(3, 30, 1));
    let probe_at = NOW + Duration::seconds(30);
    assert_eq!(fails(4), Verdict::IsOpen { probe_at });
}

/// What was put off before the circuit opened is due when it closes, so nobody may find that out sooner than was asked for.
#[test]
fn nothing_finds_out_whether_it_works_before_the_receiving_side_wants_to_be_asked() {
    let asks = |seconds| Outcome::Deferred {
        reason: Reason::ServerError,
        code: 503,
        reply: String::new(),
        retry_after: Some(std::time::Duration::from_secs(seconds)),
        blame: Blame::Network,
    };
    let (breaker, way) = (Breaker::default(), way(Circuit::Closed));
    assert_eq!(judge(&breaker, &way, 1, &asks(600)), Verdict::Nothing);
    assert_eq!(judge(&breaker, &way, 2, &asks(60)), Verdict::Nothing);
    assert_eq!(
        judge(&breaker, &way, 3, &fails(Blame::Network)),
        opens(3, 600, 1)
    );
    // Once somebody got through it is forgotten.
    let breaker = Breaker::default();
    judge(&breaker, &way, 1, &asks(600));
    judge(&breaker, &way, 2, &sent());
    for n in [3, 4] {
        judge(&breaker, &way, n, &fails(Blame::Network));
    }
    assert_eq!(
        judge(&breaker, &way, 5, &fails(Blame::Network)),
        opens(3, 30, 1)
    );
}

/// An answer of the receiving side that is not there for messages.
fn answers(code: i32) -> Outcome {
    Outcome::Deferred {
        reason: Reason::ServerError,
        code,
        reply: String::new(),
        retry_after: None,
        blame: Blame::Network,
    }
}

#[test]
fn a_vendor_in_trouble_is_waited_for_unless_others_get_through_to_it() {
    let (breaker, closed) = (Breaker::default(), way(Circuit::Closed));
    let waits = |way: &Way, n: u128| {
        let judged = breaker.judge(way, whose(n), &answers(500), NOW);
        judged.wait_until().is_some()
    };
    assert_eq!([1, 1, 1].map(|n| waits(&closed, n)), [false, false, true]);
    let met_by = MetBy::One(Uuid::from_u128(1));
    let open = |version| Way {
        version,
        ..way(Circuit::Open {
            probe_at: NOW,
            openings: 1,
            met_by,
            refuses: false,
        })
    };
    assert!(waits(&open(2), 1));
    judge(&breaker, &open(4), 2, &sent());
    let closed_again = |version| Way {
        version,
        ..way(Circuit::Closed)
    };
    assert!([1, 1, 1, 1].iter().all(|n| !waits(&closed_again(6), *n)));
    // Once it has got through itself, that is over.
    judge(&breaker, &closed_again(6), 1, &sent());
    let anew = [1, 1, 1].map(|n| waits(&closed_again(8), n));
    assert_eq!(anew, [false, false, true]);
}

#[test]
fn a_vendor_in_trouble_with_one_delivery_for_days_is_in_trouble_with_that_delivery() {
    let breaker = Breaker::default();
    let waits = |openings: u32| {
        let way = Way {
            version: openings as i32 + 1,
            ..way(Circuit::Open {
                probe_at: NOW,
                openings,
                met_by: MetBy::One(Uuid::from_u128(1)),
                refuses: false,
            })
        };
        let judged = breaker.judge(&way, whose(1), &answers(500), NOW);
        judged.wait_until().is_some()
    };
    assert_eq!([waits(479), waits(480)], [true, false]);
}

#[test]
fn what_one_delivery_alone_is_answered_counts_against_it_and_what_several_are_does_not() {
    let (breaker, closed) = (Breaker::default(), way(Circuit::Closed));
    let waits = |way: &Way, n: u128, outcome: &Outcome| {
        let judged = breaker.judge(way, whose(n), outcome, NOW);
        (
            judged.verdict != Verdict::Nothing,
            judged.wait_until().is_some(),
        )
    };
    let trouble = answers(451);
    let first = [1, 1, 1].map(|n| waits(&closed, n, &trouble));
    assert_eq!(first, [(false, false), (false, false), (true, false)]);
    let away = answers(503);
    assert!(!breaker.judge(&closed, whose(1), &away, NOW).alone);
    // The log says so too, and goes on saying it when the process has forgotten.
    let met_by = MetBy::One(Uuid::from_u128(1));
    let open = |version, met_by| Way {
        version,
        ..way(Circuit::Open {
            probe_at: NOW,
            openings: 1,
            met_by,
            refuses: false,
        })
    };
    assert_eq!(waits(&open(2, met_by), 1, &trouble), (true, false));
    // A connection that does not stand is no answer to it.
    assert_eq!(
        waits(&open(2, met_by), 1, &fails(Blame::Network)),
        (true, true)
    );
    // Another one has met it: the channel is down, for whoever meets it next.
    assert_eq!(waits(&open(4, met_by), 2, &trouble), (true, true));
    assert_eq!(waits(&open(6, met_by), 1, &trouble), (true, true));
    // It works again; then everybody is judged anew.
    waits(&open(6, met_by), 2, &sent());
    let closed = Way {
        version: 8,
        ..closed
    };
    let anew = [1, 1, 1].map(|n| waits(&closed, n, &trouble));
    assert_eq!(anew, first);
    let restarted = Breaker::default();
    let judged = restarted.judge(&open(9, MetBy::Several), whose(1), &trouble, NOW);
    assert!(judged.wait_until().is_some());
}

/// A mail server that is busy before it has heard of any receiver: its word is about no mail, until others get through.
#[test]
fn what_a_server_says_before_it_knows_of_a_receiver_counts_against_no_delivery() {
    let (breaker, closed) = (Breaker::default(), way(Circuit::Closed));
    let busy = |reason| Outcome::Deferred {
        reason,
        code: 451,
        reply: String::new(),
        retry_after: None,
        blame: Blame::Network,
    };
    let alone = |outcome: &Outcome| breaker.judge(&closed, whose(1), outcome, NOW).alone;
    let (greeting, data) = (busy(Reason::ServiceUnavailable), busy(Reason::TryLater));
    assert!(!alone(&greeting));
    assert!(alone(&data));
    assert!(!alone(&greeting));
    // A sender of one topic, say, that it does not know: the others' mail is taken.
    judge(&breaker, &closed, 2, &sent());
    assert!(alone(&greeting));
}

#[test]
fn a_success_between_them_starts_the_count_anew() {
    let (breaker, way) = (Breaker::default(), way(Circuit::Closed));
    for outcome in [
        fails(Blame::Network),
        fails(Blame::Network),
        sent(),
        fails(Blame::Network),
        // Somebody answers, so it works.
        fails(Blame::Receiver),
        fails(Blame::Network),
        fails(Blame::Pace),
        fails(Blame::Network),
        fails(Blame::Network),
    ] {
        assert_eq!(judge(&breaker, &way, 1, &outcome), Verdict::Nothing);
    }
}

#[test]
fn wrong_credentials_open_it_at_once() {
    let breaker = Breaker::default();
    let verdict = judge(&breaker, &way(Circuit::Closed), 1, &fails(Blame::Channel));
    assert_eq!(verdict, opens(1, 300, 1));
}

/// The server has said of this one receiver what may be true of all.
fn refused() -> Outcome {
    fails(Blame::ChannelOrReceiver)
}

#[test]
fn what_one_receiver_alone_is_refused_for_opens_it_for_nobody() {
    let (breaker, closed) = (Breaker::default(), way(Circuit::Closed));
    // However often it is tried, and whoever gets through in between.
    for of_another in [sent(), fails(Blame::Receiver), sent()] {
        let tries = [1; 4].map(|n| judge(&breaker, &closed, n, &refused()));
        assert!(tries.iter().all(|it| *it == Verdict::Nothing), "{tries:?}");
        let verdict = judge(&breaker, &closed, 2, &of_another);
        assert_eq!(verdict, Verdict::Nothing);
    }
    assert_eq!(judge(&breaker, &closed, 3, &refused()), Verdict::Nothing);
    // Another one for the same receiver.
    let again = Whose {
        delivery_id: Uuid::from_u128(33),
        ..whose(3)
    };
    let again = breaker.judge(&closed, again, &refused(), NOW).verdict;
    assert_eq!(again, Verdict::Nothing);
    // A second one, and nobody in between.
    assert_eq!(judge(&breaker, &closed, 4, &refused()), opens(1, 300, 1));
    // Whichever of the two finds out whether it is over, it was not alone.
    let opened = Way {
        version: 2,
        ..way(Circuit::Open {
            probe_at: NOW,
            openings: 1,
            met_by: MetBy::One(Uuid::from_u128(4)),
            refuses: false,
        })
    };
    assert_eq!(judge(&breaker, &opened, 4, &refused()), opens(1, 900, 2));
}

/// The server has answered, whoever else failed for what: only another refusal says more.
#[test]
fn a_probe_that_is_refused_alone_has_found_out_that_the_channel_works() {
    let one = |n| MetBy::One(Uuid::from_u128(n));
    for met_by in [one(1), one(2), MetBy::Several] {
        let circuit = Circuit::Open {
            probe_at: NOW,
            openings: 1,
            met_by,
            refuses: false,
        };
        let breaker = Breaker::default();
        let verdict = judge(&breaker, &way(circuit), 1, &refused());
        assert_eq!(verdict, Verdict::Closes);
        // It was wrong, if the next one is refused too; that is remembered, whoever closes it meanwhile.
        let closed = Way {
            version: 3,
            ..way(Circuit::Closed)
        };
        assert_eq!(judge(&breaker, &closed, 2, &refused()), opens(1, 300, 1));
        let open_again = Way {
            version: 6,
            ..way(circuit)
        };
        assert_eq!(
            judge(&breaker, &open_again, 2, &refused()),
            opens(1, 900, 2)
        );
    }
}

/// What several receivers were refused for by one dispatcher, another one knows from the log: the first receiver that is
/// refused when it finds out whether that is over is not the only one.
#[test]
fn a_dispatcher_knows_of_those_that_another_one_saw_refused() {
    let opened = |refuses| {
        way(Circuit::Open {
            probe_at: NOW,
            openings: 1,
            met_by: MetBy::One(Uuid::from_u128(1)),
            refuses,
        })
    };
    let verdict = |way: &Way| judge(&Breaker::default(), way, 2, &refused());
    assert_eq!(verdict(&opened(true)), opens(1, 900, 2));
    assert_eq!(verdict(&opened(false)), Verdict::Closes);
    // Who has been refused while others got through says nothing of them.
    let (breaker, closed) = (Breaker::default(), way(Circuit::Closed));
    judge(&breaker, &closed, 2, &refused());
    judge(&breaker, &closed, 3, &sent());
    let open = Way {
        version: 2,
        ..opened(true)
    };
    assert_eq!(judge(&breaker, &open, 2, &refused()), Verdict::Closes);
}

/// However many they are, and whatever becomes of the circuit meanwhile.
#[test]
fn who_was_refused_while_others_got_through_opens_it_no_more() {
    let (breaker, closed) = (Breaker::default(), way(Circuit::Closed));
    assert_eq!(judge(&breaker, &closed, 1, &refused()), Verdict::Nothing);
    assert_eq!(judge(&breaker, &closed, 2, &refused()), opens(1, 300, 1));
    let open = Way {
        version: 2,
        ..way(Circuit::Open {
            probe_at: NOW,
            openings: 1,
            met_by: MetBy::Several,
            refuses: false,
        })
    };
    assert_eq!(judge(&breaker, &open, 3, &sent()), Verdict::Closes);
    let later = Way {
        version: 4,
        ..way(Circuit::Closed)
    };
    for n in [1, 2, 1, 2] {
        assert_eq!(judge(&breaker, &later, n, &refused()), Verdict::Nothing);
    }
    let judged = breaker.judge(&later, whose(2), &refused(), NOW);
    assert_eq!(judged.wait_until(), None, "it goes by its own schedule");
    // Another two are another matter; and whoever gets through is as anybody.
    assert_eq!(judge(&breaker, &later, 5, &refused()), Verdict::Nothing);
    judge(&breaker, &later, 1, &sent());
    assert_eq!(judge(&breaker, &later, 1, &refused()), Verdict::Nothing);
    assert_eq!(judge(&breaker, &later, 6, &refused()), opens(1, 300, 1));
}

#[test]
fn a_probe_closes_it_or_opens_it_for_longer() {
    let abandoned = |reason| Outcome::Abandoned { reason };
    let breaker = Breaker::default();
    let way = way(probing(2));
    assert_eq!(
        judge(&breaker, &way, 1, &fails(Blame::Network)),
        opens(1, 120, 3)
    );
    // It found nothing out, so it does not count.
    assert!(matches!(
        judge(&breaker, &way, 1, &abandoned(Reason::RecordUnknown)),
        Verdict::Opens { openings: 2, .. }
    ));
    // Nor was anybody asked: that we are busy says nothing of how long the others need.
    for reason in [Reason::Paced, Reason::Stale, Reason::NoFreeConnection] {
        let verdict = judge(&breaker, &way, 1, &abandoned(reason));
        let Verdict::Opens {
            probe_at, openings, ..
        } = verdict
        else {
            panic!("{reason:?}: {verdict:?}");
        };
        assert_eq!((probe_at - NOW, openings), (Duration::seconds(5), 2));
    }
    assert_eq!(judge(&breaker, &way, 1, &sent()), Verdict::Closes);
}

#[test]
fn late_words_on_the_channel_as_it_was_before_count_for_nothing() {
    let breaker = Breaker::default();
    let before = way(Circuit::Closed);
    let now = Way {
        version: 2,
        ..before.clone()
    };
    assert_eq!(judge(&breaker, &now, 1, &sent()), Verdict::Nothing);
    let late = judge(&breaker, &before, 1, &fails(Blame::Channel));
    assert_eq!(late, Verdict::Nothing);
}
