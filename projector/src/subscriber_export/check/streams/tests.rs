//! What an export may hold of addresses and suppressions.

use tidings_event_store::audit::Proven;
use tidings_event_store::feed::Item;
use tidings_event_store::hex::Hex;
use tidings_proto::{address, subscriber, suppression};

use super::*;
use crate::test_support::{history, id};

const THEY: u8 = 1;
const OTHER: u8 = 2;
/// Streams of an address, its suppression and its domain's; those of a second address of the same domain.
const FIRST: [u8; 3] = [10, 11, 12];
const SECOND: [u8; 3] = [20, 21, 12];

fn bytes(n: u8) -> Vec<u8> {
    id(n).as_bytes().to_vec()
}

fn signed_up() -> (Uuid, Event) {
    let [address, suppression, domain] = FIRST.map(bytes);
    let it = subscriber::SignedUp {
        address_id: address.into(),
        address_suppression_id: suppression.into(),
        domain_suppression_id: domain.into(),
        ..Default::default()
    };
    (id(THEY), it.into())
}

fn moved() -> (Uuid, Event) {
    let [address, suppression, domain] = SECOND.map(bytes);
    let it = subscriber::ContactChanged {
        address_id: address.into(),
        address_suppression_id: suppression.into(),
        domain_suppression_id: domain.into(),
        ..Default::default()
    };
    (id(THEY), it.into())
}

fn claimed(address: u8, who: u8) -> (Uuid, Event) {
    let subscriber_id = bytes(who).into();
    (id(address), address::Claimed { subscriber_id }.into())
}

fn released(address: u8, who: u8) -> (Uuid, Event) {
    let subscriber_id = bytes(who).into();
    (id(address), address::Released { subscriber_id }.into())
}

fn added(suppression: u8) -> (Uuid, Event) {
    (id(suppression), suppression::Added::default().into())
}

/// Checks an export of these events of a history, counted from 1; gives at which of them what is wrong.
fn checked(events: Vec<(Uuid, Event)>, exported: &[i64]) -> Result<(), (i64, &'static str)> {
    let mut streams = Streams::of(id(THEY));
    let history = history(events);
    let exported = exported.iter().map(|position| {
        let at = usize::try_from(position - 1).unwrap();
        (*position, line(&history[at]))
    });
    for (position, line) in exported {
        streams.take(&line).map_err(|what| (position, what))?;
    }
    Ok(())
}

fn line(item: &Item) -> Line {
    let mut recorded = item.recorded.clone();
    recorded.subject = (recorded.stream_id == id(THEY)).then_some(id(THEY));
    Line {
        position: recorded.position,
        version: recorded.version,
        recorded_at: recorded.recorded_at,
        digest: Hex(recorded.digest),
        event: Proven::recorded(&recorded),
        fields: serde_json::Value::Null,
        opened: std::collections::BTreeMap::new(),
        at: recorded.occurred_at,
        who: String::new(),
        words: String::new(),
        cause: None,
    }
}

fn story() -> Vec<(Uuid, Event)> {
    vec![
        added(11),
        claimed(10, OTHER),
        released(10, OTHER),
        signed_up(),
        claimed(10, THEY),
        added(11),
        added(12),
        added(11),
        moved(),
        released(10, THEY),
        claimed(20, THEY),
        added(11),
        added(12),
        added(21),
    ]
}

const THEIRS: [i64; 10] = [4, 5, 6, 7, 8, 9, 10, 11, 13, 14];

#[test]
fn what_is_theirs_holds() {
    assert_eq!(checked(story(), &THEIRS), Ok(()));
    // As it was before any of this was in it, and as it is of whoever is erased.
    assert_eq!(checked(story(), &[4, 9]), Ok(()));
}

#[test]
fn what_is_left_out_in_between_is_missed() {
    let without = |left_out: &[i64]| {
        let left = THEIRS.iter().filter(|it| !left_out.contains(it));
        checked(story(), &left.copied().collect::<Vec<_>>())
    };
    // The first of a suppression's may be of any version.
    assert_eq!(without(&[6]), Ok(()));
    assert_eq!(without(&[9]), Err((11, ELSEWHOSE)), "which address is it");
    let not_then = "it is about an address that was not theirs then";
    assert_eq!(without(&[5]), Err((6, not_then)));
    let events = || {
        [
            signed_up(),
            claimed(10, THEY),
            added(11),
            added(11),
            added(11),
        ]
        .to_vec()
    };
    assert_eq!(checked(events(), &[1, 2, 3, 4, 5]), Ok(()));
    assert_eq!(checked(events(), &[1, 2, 3, 5]), Err((5, MISSING)));
    let again = || {
        let twice = [claimed(10, THEY), released(10, THEY)];
        [&[signed_up()][..], &twice, &twice].concat()
    };
    assert_eq!(checked(again(), &[1, 2, 3, 4, 5]), Ok(()));
    assert_eq!(checked(again(), &[1, 2, 5]), Err((5, MISSING)));
    assert_eq!(checked(again(), &[1, 2, 4]), Err((4, MISSING)));
    assert_eq!(checked(again(), &[1, 3]), Err((3, MISSING)));
}

#[test]
fn what_is_anothers_is_found() {
    let with = |more: i64| {
        let mut all = THEIRS.to_vec();
        all.push(more);
        all.sort_unstable();
        checked(story(), &all)
    };
    let not_then = "it is about an address that was not theirs then";
    assert_eq!(with(1), Err((1, not_then)), "before they had it");
    assert_eq!(with(12), Err((12, not_then)), "after they had it");
    for of_another in [2, 3] {
        assert_eq!(with(of_another), Err((of_another, ELSEWHOSE)));
    }
    let unknown = vec![signed_up(), claimed(30, THEY), claimed(10, OTHER)];
    assert_eq!(checked(unknown.clone(), &[1, 2]), Err((2, ELSEWHOSE)));
    assert_eq!(checked(unknown, &[1, 3]), Err((3, ELSEWHOSE)));
    assert_eq!(checked(story(), &[5, 4]), Err((5, ELSEWHOSE)));
    assert_eq!(checked(story(), &[4, 9, 5]), Err((5, MISSING)));
}
