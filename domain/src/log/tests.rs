//! Decisions about the log's surroundings.

use super::{Command, Event, Log};
use crate::aggregate::fold;
use crate::testing::table;
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

#[test]
fn every_command_in_every_state() {
    let table = table::<Log>(
        &[
            ("nothing skipped", vec![]),
            ("a skips 7", vec![skipped("a", 7)]),
        ],
        &[
            ("a skips 7", || skip("a", 7)),
            ("a skips 8", || skip("a", 8)),
            ("b skips 7", || skip("b", 7)),
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
