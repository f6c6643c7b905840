//! Every event type has a reader, and an event that a reader must not overlook stops it.

use prost::Message as _;
use std::fmt::Write as _;
use tidings_event_store::UnderstandError;
use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::View;
use tidings_proto::EVENT_TYPES;
use tidings_proto::common::Metadata;

use crate::access_log::AccessLog;
use crate::api_key_list::ApiKeyList;
use crate::channel_list::ChannelList;
use crate::delivery_engagement::DeliveryEngagement;
use crate::delivery_log::DeliveryLog;
use crate::engagement_periods::EngagementPeriods;
use crate::import_rejections::ImportRejections;
use crate::import_status::ImportStatus;
use crate::publication_status::PublicationStatus;
use crate::segment_list::SegmentList;
use crate::subscriber_profile::SubscriberProfile;
use crate::suppression_list::SuppressionList;
use crate::test_support::{history, id, sample};
use crate::topic_list::TopicList;

fn folded<V: View>(item: &Item) -> Result<usize, UnderstandError> {
    let mut rows = Vec::new();
    V::fold(item, &KeyRing::default(), &mut rows)?;
    Ok(rows.len())
}

/// Which views make a row of the event.
fn readers(event_type: &str) -> Vec<&'static str> {
    let items = history([(id(0), sample(event_type, 0))]);
    let item = &items[0];
    let all = [
        (AccessLog::DEFINITION.name, folded::<AccessLog>(item)),
        (ApiKeyList::DEFINITION.name, folded::<ApiKeyList>(item)),
        (ChannelList::DEFINITION.name, folded::<ChannelList>(item)),
        (
            DeliveryEngagement::DEFINITION.name,
            folded::<DeliveryEngagement>(item),
        ),
        (DeliveryLog::DEFINITION.name, folded::<DeliveryLog>(item)),
        (
            EngagementPeriods::DEFINITION.name,
            folded::<EngagementPeriods>(item),
        ),
        (
            ImportRejections::DEFINITION.name,
            folded::<ImportRejections>(item),
        ),
        (ImportStatus::DEFINITION.name, folded::<ImportStatus>(item)),
        (
            PublicationStatus::DEFINITION.name,
            folded::<PublicationStatus>(item),
        ),
        (SegmentList::DEFINITION.name, folded::<SegmentList>(item)),
        (
            SubscriberProfile::DEFINITION.name,
            folded::<SubscriberProfile>(item),
        ),
        (
            SuppressionList::DEFINITION.name,
            folded::<SuppressionList>(item),
        ),
        (TopicList::DEFINITION.name, folded::<TopicList>(item)),
    ];
    let reads = all
        .into_iter()
        .filter(|(_, rows)| rows.as_ref().is_ok_and(|count| *count > 0));
    reads.map(|(name, _)| name).collect()
}

/// Read by whoever folds any view, by the dispatcher, and by who issues notices; not folded into one.
const OF_NO_VIEW: &[&str] = &[
    "access.NoticeIssued",
    "log.DispatchReleased",
    "log.Restored",
    "log.ViewSkipped",
];

#[test]
fn every_event_type_has_a_reader() {
    let mut table = String::new();
    for event_type in EVENT_TYPES {
        let readers = readers(event_type);
        if OF_NO_VIEW.contains(event_type) {
            assert!(readers.is_empty(), "{event_type}");
            continue;
        }
        assert!(!readers.is_empty(), "no view reads {event_type}");
        writeln!(table, "{event_type}: {}", readers.join(", ")).unwrap();
    }
    insta::assert_snapshot!(table);
}

/// A rebuild reads the events of `View::NOUNS` alone: any others must lead to nothing, and trouble nobody.
fn reads_its_nouns_alone<V: View>() {
    assert!(!V::NOUNS.is_empty(), "{}", V::DEFINITION.name);
    for event_type in EVENT_TYPES {
        let items = history([(id(0), sample(event_type, 0))]);
        let noun = items[0].recorded.noun();
        let foreign = !V::NOUNS.contains(&noun);
        let rows = folded::<V>(&items[0]);
        if foreign {
            assert_eq!(rows.unwrap(), 0, "{event_type} in {}", V::DEFINITION.name);
        }
        let unreadable = changed(event_type, |item| {
            item.recorded.event_type = format!("{noun}.Unheard");
            item.event = item.recorded.decode();
        });
        let rows = folded::<V>(&unreadable);
        assert_eq!(
            rows.is_ok(),
            foreign,
            "{event_type} in {}",
            V::DEFINITION.name
        );
    }
}

#[test]
fn what_a_rebuild_leaves_out_leads_to_nothing() {
    reads_its_nouns_alone::<AccessLog>();
    reads_its_nouns_alone::<ApiKeyList>();
    reads_its_nouns_alone::<ChannelList>();
    reads_its_nouns_alone::<DeliveryEngagement>();
    reads_its_nouns_alone::<DeliveryLog>();
    reads_its_nouns_alone::<EngagementPeriods>();
    reads_its_nouns_alone::<ImportRejections>();
    reads_its_nouns_alone::<ImportStatus>();
    reads_its_nouns_alone::<PublicationStatus>();
    reads_its_nouns_alone::<SegmentList>();
    reads_its_nouns_alone::<SubscriberProfile>();
    reads_its_nouns_alone::<SuppressionList>();
    reads_its_nouns_alone::<TopicList>();
}

/// The event at position 1, changed by hand.
fn changed(event_type: &str, change: impl Fn(&mut Item)) -> Item {
    let mut items = history([(id(0), sample(event_type, 0))]);
    let mut item = items.remove(0);
    change(&mut item);
    item
}

#[test]
fn an_event_of_a_later_contract_stops_its_readers_alone() {
    let item = changed("suppression.Added", |item| {
        let metadata = Metadata {
            min_reader: u32::MAX,
            ..Metadata::default()
        };
        item.recorded.metadata = metadata.encode_to_vec().into();
    });
    let stopped = folded::<SuppressionList>(&item);
    assert!(matches!(stopped, Err(UnderstandError::TooNew(u32::MAX))));
    assert_eq!(folded::<ChannelList>(&item).unwrap(), 0);
}

#[test]
fn an_unknown_event_stops_the_views_of_its_noun_alone() {
    let item = changed("suppression.Added", |item| {
        item.recorded.event_type = "suppression.Tightened".to_owned();
        item.event = item.recorded.decode();
    });
    assert!(matches!(
        folded::<SuppressionList>(&item),
        Err(UnderstandError::Decode(_))
    ));
    assert_eq!(folded::<DeliveryLog>(&item).unwrap(), 0);
}

#[test]
fn a_reason_nobody_knows_is_not_overlooked() {
    let reason = tidings_proto::suppression::Added {
        scope: "address".to_owned(),
        reason: "court_order".to_owned(),
        ..Default::default()
    };
    let items = history([(id(0), reason.into())]);
    assert!(matches!(
        folded::<SuppressionList>(&items[0]),
        Err(UnderstandError::Codec(_))
    ));
}
