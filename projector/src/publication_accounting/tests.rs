//! When an accounting says that it balances.

use time::macros::datetime;

use super::get::Accounting;
use super::query::{ChannelCounts, Counts, FeedbackCounts};
use crate::publication_status::Publication;
use crate::test_support::id;

fn publication(
    deliveries: Option<i64>,
    planned: Option<i64>,
    not_planned: Option<i64>,
) -> Publication {
    Publication {
        id: id(0),
        title: None,
        state: "frozen".to_owned(),
        content_version: 1,
        channel_ids: vec![id(1), id(2)],
        topic_ids: vec![],
        segment_ids: vec![],
        excluded_segment_ids: vec![],
        priority: "ordinary".to_owned(),
        created_at: datetime!(2026-03-01 8:00 UTC),
        published_at: None,
        completed_at: None,
        cancelled_at: None,
        cancel_reason: None,
        schedule: None,
        missed_reason: None,
        paused_reason: None,
        explanation: None,
        retrying: false,
        subscribers: deliveries,
        deliveries,
        planned,
        not_planned,
        version: 4,
        created_position: 1,
        position: 9,
    }
}

fn channels() -> Vec<ChannelCounts> {
    let mail = Counts {
        planned: 4,
        sent: 2,
        in_doubt: 1,
        pending: 1,
        ..Counts::default()
    };
    let slack = Counts {
        planned: 1,
        failed: 1,
        ..Counts::default()
    };
    // More than was sent: what was failed or in doubt may have been delivered all the same.
    let said = FeedbackCounts {
        delivered: 1,
        bounced: 2,
        complained: 1,
    };
    vec![
        ChannelCounts {
            channel_id: id(1),
            counts: mail,
            feedback: said,
            waits_for: None,
        },
        ChannelCounts {
            channel_id: id(2),
            counts: slack,
            feedback: FeedbackCounts::default(),
            waits_for: None,
        },
    ]
}

#[test]
fn it_balances_when_classes_plan_and_audience_agree() {
    let accounting = Accounting::of(&publication(Some(7), Some(5), Some(2)), channels(), 9);
    assert!(accounting.balanced);
    assert_eq!(
        (accounting.counts.planned, accounting.counts.failed),
        (5, 1)
    );
    assert_eq!(accounting.feedback, channels()[0].feedback);
    assert!(Accounting::of(&publication(Some(7), None, None), channels(), 9).balanced);
    assert!(Accounting::of(&publication(None, None, None), vec![], 9).balanced);
}

#[test]
fn it_does_not_when_one_is_missing_or_too_many() {
    let mut lost = channels();
    lost[0].counts.sent = 1;
    assert!(!Accounting::of(&publication(Some(7), Some(5), Some(2)), lost.clone(), 9).balanced);
    // Two channels' errors do not make up for each other.
    lost[1].counts.sent = 1;
    assert!(!Accounting::of(&publication(Some(7), Some(5), Some(2)), lost, 9).balanced);
    assert!(!Accounting::of(&publication(Some(7), Some(6), Some(1)), channels(), 9).balanced);
    assert!(!Accounting::of(&publication(Some(6), Some(5), Some(2)), channels(), 9).balanced);
    assert!(!Accounting::of(&publication(Some(4), None, None), channels(), 9).balanced);
}

/// What a view that is behind has not counted yet is not missing.
#[test]
fn what_is_not_counted_yet_is_not_missing() {
    let planned = publication(Some(8), Some(6), Some(2));
    assert!(Accounting::of(&planned, channels(), 8).balanced);
    assert!(!Accounting::of(&planned, channels(), 9).balanced);
    let too_many = publication(Some(6), Some(4), Some(2));
    assert!(!Accounting::of(&too_many, channels(), 8).balanced);
}
