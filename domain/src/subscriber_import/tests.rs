//! Import decisions.

use proptest::prelude::*;

use super::*;
use crate::aggregate::fold;
use crate::testing::table;

fn started(lines: u64) -> Event {
    Event::Started {
        file_digest: [0; 32],
        lines,
    }
}

fn advanced(through: u64, accepted: u64) -> Event {
    Event::Advanced {
        through,
        accepted,
        rejected: vec![],
        existing: 0,
        suppressed: 0,
        suppressed_for: vec![],
    }
}

fn advance(through: u64, accepted: u64) -> Command {
    Command::Advance {
        through,
        accepted,
        existing: 0,
        suppressed: 0,
        rejected: vec![],
        suppressed_for: vec![],
    }
}

fn completed() -> Event {
    Event::Completed {
        accepted: 3,
        rejected: 0,
        existing: 0,
        suppressed: 0,
    }
}

#[test]
fn every_command_in_every_state() {
    let table = table::<SubscriberImport>(
        &[
            ("unknown", vec![]),
            ("started", vec![started(3)]),
            ("half way", vec![started(3), advanced(2, 2)]),
            (
                "at the end",
                vec![started(3), advanced(2, 2), advanced(3, 1)],
            ),
            ("completed", vec![started(3), advanced(3, 3), completed()]),
        ],
        &[
            ("start", || Command::Start {
                file_digest: [0; 32],
                lines: 3,
            }),
            ("advance 0 to 2", || advance(2, 2)),
            ("advance 2 to 3", || advance(3, 1)),
            ("beyond the end", || advance(5, 3)),
            ("complete", || Command::Complete),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn a_rejected_record_is_kept_as_a_whole_or_not_at_all() {
    let kept = |length: usize| {
        let record = "x".repeat(length);
        let rejected = Rejected::new(2, Code::from_static("invalid_email"), Some(&record));
        rejected
            .record
            .and_then(|record| record.known().map(String::len))
    };
    let longest = Rejected::RECORD_BYTES_MAX;
    assert_eq!([kept(longest), kept(longest + 1)], [Some(longest), None]);
}

proptest! {
    /// However chunks are repeated, every record is counted once.
    #[test]
    fn every_record_counts_once(chunks in proptest::collection::vec((1u64..5, 0u64..5, 0u64..3, any::<bool>()), 0..20)) {
        let lines: u64 = chunks.iter().map(|(accepted, rejected, suppressed, _)| accepted + rejected + suppressed).sum();
        let mut state = fold::<SubscriberImport>(&[started(lines)]);
        let mut through = 0;
        for (accepted, rejected, suppressed, repeat) in chunks {
            through += accepted + rejected + suppressed;
            let chunk = || Command::Advance {
                through,
                accepted,
                existing: 0,
                suppressed,
                suppressed_for: vec![],
                rejected: (0..rejected)
                    .map(|line| Rejected::new(line, Code::from_static("invalid_email"), None))
                    .collect(),
            };
            for _ in 0..=u8::from(repeat) {
                for event in state.decide(chunk()).unwrap() {
                    state = state.evolve(&event);
                }
            }
        }
        let progress = *state.progress().unwrap();
        prop_assert_eq!(progress.accepted + progress.rejected + progress.existing + progress.suppressed, lines);
        prop_assert_eq!(progress.through, lines);
        prop_assert_eq!(state.decide(Command::Complete).unwrap().len(), 1);
    }
}
