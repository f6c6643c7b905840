//! What is said of deliveries.

use std::collections::HashMap;

use tidings_proto::Reason;
use tidings_service::hindrance::{Hindrance, Slowed};
use time::macros::datetime;

use super::super::around::{Course, Down, Way};
use super::*;
use crate::test_support::id;

const NOW: OffsetDateTime = datetime!(2026-03-01 10:00 UTC);

fn delivery(class: Class, status: &str, reason: Option<&str>) -> Delivery {
    Delivery {
        id: id(0),
        publication_id: Some(id(1)),
        channel_id: Some(id(2)),
        subscriber_id: Some(id(3)),
        class,
        status: status.to_owned(),
        attempts: 1,
        reason: reason.map(str::to_owned),
        deferred_reason: None,
        explanation: String::new(),
        code: None,
        due_at: None,
        planned_at: None,
        settled_at: None,
        feedback: None,
        feedback_at: None,
        feedback_reason: None,
        bounce: None,
        opened_at: None,
        clicked_at: None,
        version: 1,
        position: 7,
        doubted_attempt: None,
    }
}

fn pending(status: &str, reason: Option<&str>) -> Delivery {
    delivery(Class::Pending, status, reason)
}

fn around(publication: Course, channel: Option<Way>) -> Around {
    Around {
        held: false,
        publications: HashMap::from([(id(1), publication)]),
        channels: channel.map(|way| (id(2), way)).into_iter().collect(),
    }
}

fn news() -> Way {
    Way {
        name: "News".to_owned(),
        ..Way::default()
    }
}

#[test]
fn each_reason_is_told_in_words_wherever_it_can_stand() {
    let around = Around::default();
    for reason in Reason::ALL {
        for (class, status) in [
            (Class::Pending, "deferred"),
            (Class::Pending, "abandoned"),
            (Class::Pending, "in_doubt"),
            (Class::Failed, "failed"),
            (Class::Suppressed, "suppressed"),
            (Class::Cancelled, "cancelled"),
            (Class::InDoubt, "in_doubt"),
        ] {
            let mut it = delivery(class, status, Some(reason.as_str()));
            it.due_at = Some(NOW + time::Duration::HOUR);
            let told = explanation(&it, &around, NOW);
            assert!(told.contains(reason.words()), "{told}");
            assert!(told.ends_with('.') && !told.contains('_'), "{told}");
        }
    }
}

#[test]
fn what_was_settled_says_how() {
    let around = Around::default();
    let mut full = delivery(Class::Failed, "failed", Some("mailbox_full"));
    full.code = Some(552);
    let mut back = delivery(Class::Sent, "sent", None);
    back.feedback = Some(Feedback::Bounced);
    back.feedback_reason = Some("no_such_address".to_owned());
    let told = [full, back].map(|it| explanation(&it, &around, NOW));
    assert_eq!(
        told,
        [
            "It was given up: the mailbox is full (the answer was 552).",
            "The receiving side took it. It came back afterwards: there is no such address.",
        ]
    );
}

#[test]
fn what_was_given_up_says_what_it_met_before() {
    let mut it = delivery(Class::Failed, "failed", Some("gave_up"));
    it.code = Some(452);
    it.deferred_reason = Some("mailbox_full".to_owned());
    assert_eq!(
        explanation(&it, &Around::default(), NOW),
        "It was given up: it could not be delivered for so long that it is not tried any more (the answer was 452). Before \
         that: the mailbox is full."
    );
}

/// What forbids it now says nothing of an attempt that may have arrived before.
#[test]
fn what_may_have_arrived_is_not_said_not_to_have_been_sent() {
    let around = Around::default();
    let told = |it: &Delivery| explanation(it, &around, NOW);
    let mut left = delivery(Class::Suppressed, "suppressed", Some("unsubscribed"));
    assert_eq!(told(&left), "It was not sent: they had left.");
    left.doubted_attempt = Some(1);
    let doubt = "Nobody knows whether an earlier attempt arrived.";
    assert_eq!(
        told(&left),
        format!("It is not sent any more: they had left. {doubt}")
    );
    let mut cancelled = delivery(Class::Cancelled, "cancelled", Some("publication_cancelled"));
    cancelled.doubted_attempt = Some(1);
    assert_eq!(
        told(&cancelled),
        format!("It is not sent any more: the publication was cancelled. {doubt}")
    );
    cancelled.feedback = Some(Feedback::Delivered);
    assert!(told(&cancelled).ends_with("cancelled. It reached the receiver's own server."));
    // The doubt was this attempt's, and has been resolved; or it was an earlier one's.
    let mut failed = delivery(Class::Failed, "failed", Some("rejected"));
    failed.doubted_attempt = Some(1);
    assert!(!told(&failed).contains("Nobody knows"));
    failed.attempts = 2;
    assert!(told(&failed).ends_with(doubt));
    let mut sent = delivery(Class::Sent, "sent", None);
    sent.doubted_attempt = Some(1);
    assert_eq!(told(&sent), "The receiving side took it.");
    sent.attempts = 2;
    assert!(
        told(&sent).ends_with("took it. An earlier attempt may have arrived too: nobody knows.")
    );
    let mut twice = delivery(Class::InDoubt, "in_doubt", Some("reply_timeout"));
    assert!(told(&twice).contains("so that nobody gets it twice"));
    twice.attempts = 2;
    assert!(told(&twice).ends_with("It is not sent once more, unless somebody asks for it."));
    let over = Course {
        cancelled: true,
        ..Course::default()
    };
    let over = explanation(&twice, &self::around(over, None), NOW);
    assert!(over.ends_with("It is not sent again, since its publication was cancelled."));
    let mut reopened = pending("reopened", None);
    reopened.doubted_attempt = Some(1);
    assert!(told(&reopened).ends_with(doubt));
}

#[test]
fn what_waits_for_an_open_circuit_says_who_finds_out_whether_it_works_again() {
    let it = pending("planned", None);
    let said = |around: Around| explanation(&it, &around, NOW);
    let down = |is_probing, minute| Way {
        down: Some(Down {
            reason: "connect_failed".to_owned(),
            is_probing,
            probe_at: Some(NOW + time::Duration::minutes(minute)),
        }),
        ..news()
    };
    for (way, end) in [
        (
            down(true, 1),
            "one message is finding out whether it does again.",
        ),
        (
            down(false, 0),
            "the next message that is due finds out whether it does again.",
        ),
    ] {
        let told = said(around(Course::default(), Some(way)));
        assert!(told.ends_with(end), "{told}");
    }
}

#[test]
fn what_was_never_attempted_says_what_it_waits_for() {
    let it = pending("planned", None);
    let said = |around: Around| explanation(&it, &around, NOW);
    let open = Way {
        down: Some(Down {
            reason: "connect_failed".to_owned(),
            is_probing: false,
            probe_at: Some(datetime!(2026-03-01 10:05 UTC)),
        }),
        ..news()
    };
    assert_eq!(
        said(around(Course::default(), Some(open.clone()))),
        "Waits: the channel “News” takes nothing at the moment (the receiving side can not be connected to); the next try \
         is made at 2026-03-01 10:05:00 UTC at the earliest."
    );
    let unusable = Way {
        hindrance: Hindrance {
            unusable: Some("/host: is missing".to_owned()),
            slowed: None,
        },
        ..open
    };
    assert_eq!(
        said(around(Course::default(), Some(unusable.clone()))),
        "Waits: the channel “News” can not be used as it is set up (/host: is missing), until that is mended."
    );
    let off = Way {
        disabled_reason: Some("gone".to_owned()),
        ..unusable
    };
    assert_eq!(
        said(around(Course::default(), Some(off.clone()))),
        "Waits: the channel “News” is switched off (the receiver says that it wants no more of it, ever), until somebody \
         enables it."
    );
    let paused = Course {
        paused_reason: Some("legal_check".to_owned()),
        ..Course::default()
    };
    let paused = around(paused, Some(off));
    assert_eq!(
        said(paused.clone()),
        "Waits: its publication is paused until somebody resumes it; why: “legal check”."
    );
    let held = Around {
        held: true,
        ..paused.clone()
    };
    assert_eq!(
        said(held),
        "Waits: nothing is sent since the log was restored, until somebody releases it (`tidings dispatch release`)."
    );
    let cancelled = Course {
        cancelled: true,
        ..Course::default()
    };
    assert_eq!(
        said(around(cancelled, Some(news()))),
        "Waits: its publication was cancelled, so it is about to be cancelled too."
    );
    assert_eq!(
        said(around(Course::default(), Some(news()))),
        "Waits: it is due, and goes out when its turn comes, as fast as the receiving side takes messages."
    );
}

#[test]
fn what_has_its_time_says_when_and_why() {
    let around = around(Course::default(), Some(news()));
    let at = |status: &str, reason: Option<&str>| Delivery {
        due_at: Some(datetime!(2026-03-02 7:30 UTC)),
        ..pending(status, reason)
    };
    let mut full = at("deferred", Some("mailbox_full"));
    full.code = Some(452);
    for (it, expected) in [
        (
            at("planned", None),
            "Waits: its reader wants it at 2026-03-02 07:30:00 UTC at the earliest.",
        ),
        (
            at("abandoned", Some("preferences")),
            "Waits: the reader wants it later, as their quiet hours, days or cap have it; it goes out at 2026-03-02 07:30:00 \
             UTC at the earliest.",
        ),
        (
            full,
            "Waits: it is tried again at 2026-03-02 07:30:00 UTC. The last attempt did not succeed: the mailbox is full (the \
             answer was 452).",
        ),
        (
            at("in_doubt", Some("reply_timeout")),
            "Waits: it is tried again at 2026-03-02 07:30:00 UTC. Nobody knows whether the last attempt arrived: no answer \
             came in time.",
        ),
        (
            at("reopened", None),
            "Waits: it is to be sent again, at 2026-03-02 07:30:00 UTC at the earliest.",
        ),
        (pending("attempted", None), "An attempt is under way."),
    ] {
        assert_eq!(explanation(&it, &around, NOW), expected);
    }
}

#[test]
fn what_is_due_by_a_channel_that_is_asked_for_fewer_says_so_until_that_has_passed() {
    let told = |until, it: &Delivery| {
        let way = Way {
            hindrance: Hindrance {
                slowed: Some(Slowed {
                    until,
                    reason: "rate_limited".to_owned(),
                }),
                unusable: None,
            },
            ..news()
        };
        explanation(it, &around(Course::default(), Some(way)), NOW)
    };
    let due = pending("planned", None);
    assert_eq!(
        told(datetime!(2026-03-01 10:05 UTC), &due),
        "Waits: it is due, and the channel “News” is slowed down (the receiving side asks for fewer messages at the moment), \
         until 2026-03-01 10:05:00 UTC at the latest."
    );
    assert_eq!(
        told(NOW, &due),
        "Waits: it is due, and goes out when its turn comes, as fast as the receiving side takes messages."
    );
    let mut later = due;
    later.due_at = Some(NOW + time::Duration::HOUR);
    assert_eq!(
        told(datetime!(2026-03-01 10:05 UTC), &later),
        "Waits: its reader wants it at 2026-03-01 11:00:00 UTC at the earliest."
    );
}

#[test]
fn what_its_channel_kept_back_is_due_once_that_works() {
    let mut it = pending("deferred", Some("connect_failed"));
    it.due_at = Some(NOW + time::Duration::HOUR);
    let told = |it: &Delivery, mended_position| {
        let way = Way {
            mended_position,
            ..news()
        };
        explanation(it, &around(Course::default(), Some(way)), NOW)
    };
    let later = "Waits: it is tried again at 2026-03-01 11:00:00 UTC.";
    for before in [None, Some(7)] {
        assert!(told(&it, before).starts_with(later));
    }
    assert!(told(&it, Some(8)).starts_with("Waits: it is due, and goes out when its turn comes"));
    // What it asked for is over once somebody says so, and not because others get through.
    it.reason = Some("rate_limited".to_owned());
    assert!(told(&it, Some(8)).starts_with(later));
    let woken = Way {
        woken_position: Some(8),
        ..news()
    };
    let woken = explanation(&it, &around(Course::default(), Some(woken)), NOW);
    assert!(woken.starts_with("Waits: it is due, and goes out when its turn comes"));
    // What may be the receiver's own keeps its time.
    it.reason = Some("mailbox_full".to_owned());
    assert!(told(&it, Some(8)).starts_with(later));
}
