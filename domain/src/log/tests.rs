//! Decisions about the log's surroundings.

use time::macros::datetime;
use uuid::Uuid;

use super::{Command, Event, Log, Restored};
use crate::aggregate::{Aggregate as _, fold};
use crate::testing::{GlassVault, table};
use crate::value::SkipReason;

fn reason() -> SkipReason {
    SkipReason::parse("a bad import").unwrap()
}

fn skip(view: &str, position: i64) -> Command {
    Command::SkipInView {
        view: view.to_owned(),
        position,
        reason: reason(),
        fold: 2,
    }
}

fn skipped(view: &str, position: i64) -> Event {
    Event::ViewSkipped {
        view: view.to_owned(),
        position,
        reason: reason(),
        fold: 2,
    }
}

fn restored(n: u128) -> Restored {
    Restored {
        incarnation: Uuid::from_u128(n),
        after_position: 40,
        parted_after: 38,
        lost_through: 50,
        backed_up_at: Some(datetime!(2026-03-01 02:00 UTC)),
    }
}

fn released(n: u128) -> Event {
    Event::DispatchReleased {
        incarnation: Uuid::from_u128(n),
    }
}

#[test]
fn every_command_in_every_state() {
    let table = table::<Log>(
        &[
            ("nothing skipped", vec![]),
            ("a skips 7", vec![skipped("a", 7)]),
            ("restored", vec![Event::Restored(restored(1))]),
            ("released", vec![Event::Restored(restored(1)), released(1)]),
        ],
        &[
            ("a skips 7", || skip("a", 7)),
            ("a skips 8", || skip("a", 8)),
            ("b skips 7", || skip("b", 7)),
            ("restore", || Command::Restore(restored(2))),
            ("release", || Command::ReleaseDispatch),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn a_view_skips_what_was_said_of_it_alone() {
    let log = fold::<Log>(&[skipped("a", 7), skipped("b", 8), skipped("a", 9)]);
    assert_eq!(log.skipped_by("a"), [7, 9].into());
    assert_eq!(log.skipped_by("b"), [8].into());
    assert!(log.skipped_by("c").is_empty());
}

#[test]
fn nothing_is_sent_from_a_restore_until_the_word_on_that_very_restore() {
    let held = |events: &[Event]| fold::<Log>(events).held_by().copied();
    let [first, second] = [1, 2].map(restored);
    assert_eq!(held(&[]), None);
    assert_eq!(held(&[Event::Restored(first)]), Some(first));
    assert_eq!(held(&[Event::Restored(first), released(1)]), None);
    let twice = [Event::Restored(first), Event::Restored(second)];
    assert_eq!(held(&[&twice[..], &[released(1)]].concat()), Some(second));
    assert_eq!(held(&[&twice[..], &[released(2)]].concat()), None);
}

#[test]
fn what_is_lost_is_counted_from_where_the_histories_parted() {
    let lost = |after_position, parted_after, lost_through| {
        let restored = Restored {
            after_position,
            parted_after,
            lost_through,
            ..restored(1)
        };
        restored.lost()
    };
    assert_eq!(lost(40, 40, 50), Some(10));
    // It had gone on: what is lost is no longer than what it holds instead.
    assert_eq!(lost(120, 90, 100), Some(10));
    assert_eq!(lost(40, 40, 40), Some(0));
    assert_eq!(lost(0, 0, 7), Some(7));
    assert_eq!(lost(40, 0, 50), None, "nothing tells");
}

#[test]
fn no_restore_parts_after_it_begins_or_loses_less_than_nothing() {
    let wire = |parted_after, lost_through| {
        let restored = Restored {
            after_position: 40,
            parted_after,
            lost_through,
            ..restored(1)
        };
        let wire = Log::encode(&Event::Restored(restored), &GlassVault);
        Log::decode(&wire, &GlassVault).is_ok()
    };
    assert!(wire(0, 0) && wire(40, 40) && wire(30, 35));
    assert!(!wire(41, 50) && !wire(-1, 50) && !wire(30, 29));
}
