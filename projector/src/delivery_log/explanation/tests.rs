//! What is said of deliveries.

use std::collections::HashMap;

use tidings_proto::Reason;
use time::macros::datetime;

use super::super::around::{Course, Way};
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
        disabled_reason: None,
        down: None,
        mended_position: None,
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
fn what_was_never_attempted_says_what_it_waits_for() {
    let it = pending("planned", None);
    let said = |around: Around| explanation(&it, &around, NOW);
    let open = Way {
        down: Some((
            "connect_failed".to_owned(),
            Some(datetime!(2026-03-01 10:05 UTC)),
        )),
        ..news()
    };
    assert_eq!(
        said(around(Course::default(), Some(open.clone()))),
        "Waits: the channel “News” takes nothing at the moment (the receiving side can not be connected to); the next try \
         is made at 2026-03-01 10:05:00 UTC."
    );
    let off = Way {
        disabled_reason: Some("gone".to_owned()),
        ..open
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
    // What may be the receiver's own keeps its time.
    it.reason = Some("mailbox_full".to_owned());
    assert!(told(&it, Some(8)).starts_with(later));
}
