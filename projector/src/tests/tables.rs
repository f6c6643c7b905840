//! The DDL of each view has the columns of its rows.

use std::collections::BTreeMap;

use tidings_event_store::view::{Definition, DerivedView, Row, View};

use crate::access_log::AccessLog;
use crate::api_key_list::ApiKeyList;
use crate::channel_list::ChannelList;
use crate::delivery_engagement::DeliveryEngagement;
use crate::delivery_log::DeliveryLog;
use crate::engagement_periods::EngagementPeriods;
use crate::import_rejections::ImportRejections;
use crate::import_status::ImportStatus;
use crate::publication_accounting::PublicationAccounting;
use crate::publication_analytics::PublicationAnalytics;
use crate::publication_engagement::PublicationEngagement;
use crate::publication_status::PublicationStatus;
use crate::segment_list::SegmentList;
use crate::subscriber_profile::SubscriberProfile;
use crate::suppression_list::SuppressionList;
use crate::topic_list::TopicList;

/// Name and type of the columns that are written, and whether null is refused.
fn ddl(sql: &str) -> BTreeMap<&str, (&str, bool)> {
    let table = sql.split("-- indexes").next().unwrap_or(sql);
    let lines = table.lines().filter_map(|line| line.strip_prefix("    "));
    let columns = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    columns
        .filter(|line| !line.starts_with("primary key") && !line.contains("generated always"))
        .map(|line| {
            let line = line.split("--").next().unwrap_or(line);
            let mut words = line.split([' ', ',']).filter(|word| !word.is_empty());
            let name = words.next().unwrap();
            (name, (words.next().unwrap(), line.contains("not null")))
        })
        .collect()
}

fn fits<R: Row>(definition: Definition) {
    let written: BTreeMap<&str, &str> = R::COLUMNS
        .iter()
        .map(|column| (column.name, column.sql_type))
        .collect();
    let table = ddl(definition.sql);
    let types: BTreeMap<&str, &str> = table
        .iter()
        .map(|(name, (sql_type, _))| (*name, *sql_type))
        .collect();
    assert_eq!(types, written, "{}", definition.name);
    for key in &R::COLUMNS[..R::KEY_COLUMNS] {
        assert!(table[key.name].1, "{} may be null", key.name);
    }
    assert!(definition.sql.starts_with("-- "));
    assert!(definition.sql.contains("create table {table} ("));
    assert!(
        definition.sql.contains(" fold "),
        "raising its number rebuilds the view"
    );
    let indexes = definition
        .sql
        .split_once("-- indexes")
        .map_or("", |(_, indexes)| indexes);
    let made: Vec<&str> = indexes
        .lines()
        .filter(|line| line.starts_with("create"))
        .collect();
    assert!(
        made.iter()
            .all(|line| line.starts_with("create index {table}_")),
        "{made:?}"
    );
}

#[test]
fn each_table_has_the_columns_of_its_rows() {
    fits::<<AccessLog as View>::Row>(AccessLog::DEFINITION);
    fits::<<ApiKeyList as View>::Row>(ApiKeyList::DEFINITION);
    fits::<<ChannelList as View>::Row>(ChannelList::DEFINITION);
    fits::<<DeliveryEngagement as View>::Row>(DeliveryEngagement::DEFINITION);
    fits::<<DeliveryLog as View>::Row>(DeliveryLog::DEFINITION);
    fits::<<EngagementPeriods as View>::Row>(EngagementPeriods::DEFINITION);
    fits::<<ImportRejections as View>::Row>(ImportRejections::DEFINITION);
    fits::<<ImportStatus as View>::Row>(ImportStatus::DEFINITION);
    fits::<<PublicationStatus as View>::Row>(PublicationStatus::DEFINITION);
    fits::<<SegmentList as View>::Row>(SegmentList::DEFINITION);
    fits::<<SubscriberProfile as View>::Row>(SubscriberProfile::DEFINITION);
    fits::<<SuppressionList as View>::Row>(SuppressionList::DEFINITION);
    fits::<<TopicList as View>::Row>(TopicList::DEFINITION);
    fits::<<PublicationAccounting as DerivedView<_>>::Row>(PublicationAccounting::DEFINITION);
    fits::<<PublicationEngagement as DerivedView<_>>::Row>(PublicationEngagement::DEFINITION);
    fits::<<PublicationAnalytics as DerivedView<_>>::Row>(PublicationAnalytics::DEFINITION);
}
