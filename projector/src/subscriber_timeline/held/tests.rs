//! What is told of an address ends where somebody else's story begins.

use tidings_proto::{address, subscriber, suppression};

use super::*;
use crate::test_support::{history, id};

const ADDRESS: u8 = 10;
const SUPPRESSION: u8 = 11;
const DOMAIN: u8 = 12;
const THEY: u8 = 1;
const OTHER: u8 = 2;

fn claimed(who: u8) -> (Uuid, Event) {
    let subscriber_id = id(who).as_bytes().to_vec().into();
    (id(ADDRESS), address::Claimed { subscriber_id }.into())
}

fn released(who: u8) -> (Uuid, Event) {
    let subscriber_id = id(who).as_bytes().to_vec().into();
    (id(ADDRESS), address::Released { subscriber_id }.into())
}

fn added(stream: u8, reason: &str) -> (Uuid, Event) {
    let added = suppression::Added {
        scope: if stream == DOMAIN {
            "domain"
        } else {
            "address"
        }
        .to_owned(),
        reason: reason.to_owned(),
        ..Default::default()
    };
    (id(stream), added.into())
}

fn lifted(stream: u8, reason: &str) -> (Uuid, Event) {
    let reasons = vec![reason.to_owned()];
    (id(stream), suppression::Lifted { reasons }.into())
}

/// What is told of it to these subscribers' timelines: by position what it is about, and what stood.
fn told(who: u8, events: Vec<(Uuid, Event)>) -> Vec<(i64, String, Vec<String>)> {
    let events: Vec<Recorded> = history(events).into_iter().map(|it| it.recorded).collect();
    let had = Had {
        email: "ada@example.org".to_owned(),
        suppression_id: id(SUPPRESSION),
        domain_suppression_id: id(DOMAIN),
    };
    let had = HashMap::from([(id(ADDRESS), had)]);
    let held = Held::within(id(who), &had, &streams(&events));
    let told = held.0.into_iter().map(|(position, about)| {
        let standing = [about.standing, about.domain_standing].concat();
        (position, about.what, standing)
    });
    told.collect()
}

#[test]
fn each_holder_is_told_what_happened_while_they_held_it_and_no_more() {
    let events = || {
        vec![
            added(SUPPRESSION, "import"),
            added(DOMAIN, "manual"),
            claimed(OTHER),
            added(SUPPRESSION, "complaint"),
            lifted(SUPPRESSION, "import"),
            lifted(DOMAIN, "manual"),
            released(OTHER),
            added(SUPPRESSION, "moved"),
            claimed(THEY),
            lifted(SUPPRESSION, "moved"),
            added(SUPPRESSION, "manual"),
            added(DOMAIN, "manual"),
            released(THEY),
            lifted(DOMAIN, "manual"),
            claimed(OTHER),
            lifted(SUPPRESSION, "manual"),
        ]
    };
    let row = |position: i64, what: &str, standing: &[&str]| {
        let standing = standing.iter().map(|it| (*it).to_owned()).collect();
        (position, what.to_owned(), standing)
    };
    let (address, domain) = ("ada@example.org", "example.org");
    assert_eq!(
        told(THEY, events()),
        [
            row(9, address, &["complaint", "moved"]),
            row(10, address, &["complaint"]),
            row(11, address, &[]),
            row(12, domain, &[]),
            row(13, address, &[]),
        ]
    );
    // Who comes back to it is told of both times, and of nothing in between.
    assert_eq!(
        told(OTHER, events()),
        [
            row(3, address, &["import", "manual"]),
            row(4, address, &[]),
            row(5, address, &["complaint"]),
            row(6, domain, &[]),
            row(7, address, &[]),
            row(15, address, &["complaint", "manual"]),
            row(16, address, &["complaint"]),
        ]
    );
    assert_eq!(told(3, events()), []);
}

#[test]
fn an_address_that_cannot_be_opened_any_more_was_nobodys() {
    let bytes = |n: u8| id(n).as_bytes().to_vec().into();
    let signed_up = subscriber::SignedUp {
        address_id: bytes(ADDRESS),
        address_suppression_id: bytes(SUPPRESSION),
        domain_suppression_id: bytes(DOMAIN),
        ..Default::default()
    };
    let said: Vec<Recorded> = history([(id(THEY), signed_up.into())])
        .into_iter()
        .map(|it| it.recorded)
        .collect();
    let opened = |words| vec![vec![("email".to_owned(), words)]];
    let known = had(&said, &opened(Words::Known("ada@example.org".to_owned())));
    assert_eq!(known[&id(ADDRESS)].suppression_id, id(SUPPRESSION));
    assert!(had(&said, &opened(Words::Erased)).is_empty());
    assert!(had(&said, &[vec![]]).is_empty());
}
