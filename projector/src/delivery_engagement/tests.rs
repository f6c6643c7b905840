//! What was done with messages against a plain recount, however the history is cut; and the totals against theirs.

use proptest::prelude::*;
use proptest::sample::Index;
use tidings_event_store::feed::Item;
use tidings_event_store::uuid_bytes;
use tidings_event_store::view::DerivedView as _;
use tidings_proto::{Event, engagement};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{DeliveryEngagement, EngagementRow};
use crate::publication_engagement::{PublicationEngagement, TotalsRow};
use crate::test_support::{Rows, add, at, cut, fold, history, id, obeys_the_law};

/// One hit: of which delivery, whether a link was followed, whether by a machine.
type Done = (u8, bool, bool);

fn event((delivery, click, machine): Done) -> (Uuid, Event) {
    let opened = engagement::Opened {
        // Two publications, and deliveries of a notice.
        cause_kind: ["publication", "publication", "notice"][usize::from(delivery % 3)].to_owned(),
        cause_id: uuid_bytes(id(100 + delivery % 3)),
        channel_id: uuid_bytes(id(200)),
        delivery_id: uuid_bytes(id(delivery)),
        subscriber_id: uuid_bytes(id(50 + delivery)),
        period: "2026-03".to_owned(),
        agent: if machine { "scanner" } else { "reader" }.to_owned(),
        machine,
        ..Default::default()
    };
    let event = match click {
        false => opened.into(),
        true => engagement::Clicked {
            cause_kind: opened.cause_kind,
            cause_id: opened.cause_id,
            channel_id: opened.channel_id,
            delivery_id: opened.delivery_id,
            subscriber_id: opened.subscriber_id,
            period: opened.period,
            agent: opened.agent,
            machine,
            ..Default::default()
        }
        .into(),
    };
    (id(100 + delivery), event)
}

fn hits() -> impl Strategy<Value = (Vec<Done>, Vec<Item>)> {
    prop::collection::vec((0..6_u8, any::<bool>(), any::<bool>()), 0..80).prop_map(|done| {
        let items = history(done.iter().copied().map(event));
        (done, items)
    })
}

/// How many, and when the first, of one delivery's hits.
fn counted(done: &[Done], wanted: Done) -> (i64, Option<OffsetDateTime>) {
    let places = (1..).zip(done).filter(|(_, it)| **it == wanted);
    let positions: Vec<i64> = places.map(|(position, _)| position).collect();
    (positions.len() as i64, positions.first().map(|it| at(*it)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn each_message_tells_what_was_done_with_it(
        (done, items) in hits(),
        places in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let rows = obeys_the_law::<DeliveryEngagement>(&items, &places)?;
        let total: i64 = rows.values().map(|it| it.opens + it.machine_opens + it.clicks + it.machine_clicks).sum();
        prop_assert_eq!(total, done.len() as i64);
        for row in rows.values() {
            let delivery = (0..6).find(|n| id(*n) == row.delivery_id).unwrap();
            let of = |click, machine| counted(&done, (delivery, click, machine));
            prop_assert_eq!((row.opens, row.first_opened_at), of(false, false));
            prop_assert_eq!((row.clicks, row.first_clicked_at), of(true, false));
            prop_assert_eq!((row.machine_opens, row.machine_clicks), (of(false, true).0, of(true, true).0));
            let last = (1..).zip(&done).filter(|(_, it)| it.0 == delivery).map(|(position, _)| at(position)).max();
            prop_assert_eq!(Some(row.last_at), last);
            prop_assert_eq!(row.publication_id, (delivery % 3 < 2).then(|| id(100 + delivery % 3)));
        }
    }

    #[test]
    fn totals_are_a_recount(
        (done, items) in hits(),
        places in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let (mut rows, mut totals) = (Rows::<EngagementRow>::new(), Rows::<TotalsRow>::new());
        for page in cut(&items, &places) {
            let (before, changed) = (rows.clone(), fold::<DeliveryEngagement>(page));
            rows = add(rows, changed.clone().into_values());
            let taken_back = changed.keys().filter_map(|key| before.get(key));
            let taken_back = taken_back.flat_map(PublicationEngagement::contributions).map(PublicationEngagement::negate);
            let given = changed.keys().flat_map(|key| PublicationEngagement::contributions(&rows[key]));
            totals = add(totals, taken_back.chain(given).collect::<Vec<_>>());
        }
        for publication in 0..2 {
            let of_it = |wanted: &dyn Fn(&[&Done]) -> bool| {
                let deliveries = (0..6).filter(|n| n % 3 == publication);
                let hit = deliveries.map(|n| done.iter().filter(|it| it.0 == n).collect::<Vec<_>>());
                hit.filter(|hits| !hits.is_empty() && wanted(hits)).count() as i64
            };
            let Some(row) = totals.get(&(id(100 + publication), id(200))) else {
                prop_assert_eq!(of_it(&|_| true), 0);
                continue;
            };
            // Whoever followed a link has opened the mail, whether or not its picture was fetched.
            prop_assert_eq!(row.opened, of_it(&|hits| hits.iter().any(|it| !it.2)));
            prop_assert_eq!(row.clicked, of_it(&|hits| hits.iter().any(|it| it.1 && !it.2)));
            prop_assert_eq!(row.machine_only, of_it(&|hits| hits.iter().all(|it| it.2)));
            let times = |click, machine| done.iter().filter(|it| it.0 % 3 == publication && it.1 == click && it.2 == machine).count() as i64;
            prop_assert_eq!(
                [row.opens, row.machine_opens, row.clicks, row.machine_clicks],
                [times(false, false), times(false, true), times(true, false), times(true, true)]
            );
        }
        prop_assert!(totals.keys().all(|(publication, _)| *publication != id(102)), "a notice is in no publication's");
    }
}

/// Nothing is opened: so it makes no difference whether a key is there, and a hit without evidence counts as one with it.
#[test]
fn what_counts_stands_in_the_clear() {
    let sealed = tidings_proto::common::Sealed {
        scheme: 2,
        key_id: uuid_bytes(id(50)),
        ..Default::default()
    };
    let Event::EngagementOpened(opened) = event((0, false, false)).1 else {
        panic!("it is one");
    };
    let with = engagement::Opened {
        evidence: Some(sealed),
        ..*opened.clone()
    };
    let [one, other] =
        [*opened, with].map(|it| fold::<DeliveryEngagement>(&history([(id(100), it.into())])));
    assert_eq!(one, other);
}
