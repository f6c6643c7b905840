//! Publications to segments, whose conditions the checker can not read: they leave out anybody, and bring in nobody.

use super::*;

/// A reader and another signed up, and a publication was published to whom a segment leaves in.
fn published() -> Story {
    let drafted = publication::Drafted {
        channel_ids: vec![uuid_bytes(CHANNEL)],
        excluded_segment_ids: vec![uuid_bytes(FOLDER)],
        ..publication::Drafted::default()
    };
    let published = publication::Published { content_version: 1 };
    Story::default()
        .signs_up(READER)
        .signs_up(ANOTHER)
        .configures(CHANNEL, "email")
        .then(PUBLICATION, &drafted)
        .then(PUBLICATION, &published)
}

fn erased(story: Story) -> Story {
    story.then(ANOTHER, &subscriber::ErasureRequested::default())
}

#[test]
fn a_segment_may_leave_out_anybody() {
    for subscribers in 0..=2 {
        let story = published().frozen(subscribers, subscribers);
        let readers = [(DELIVERY, READER), (FOLDER, ANOTHER)];
        let readers = readers.into_iter().take(subscribers as usize);
        let story = readers.fold(story, |story, (delivery, reader)| {
            story.plans(delivery, reader)
        });
        story.plan_completed(subscribers, 0).folded();
    }
}

#[test]
#[should_panic(expected = "readers of")]
fn a_segment_that_brings_somebody_in_is_noticed() {
    published().frozen(3, 3).folded();
}

#[test]
#[should_panic(expected = "is not in the audience")]
fn a_delivery_to_somebody_who_has_left_is_noticed() {
    let story = published().leaves(ANOTHER).frozen(1, 1);
    story.plans(DELIVERY, ANOTHER).folded();
}

#[test]
fn whoever_was_erased_since_may_be_left_out() {
    let story = erased(published().frozen(2, 2));
    story.plans(DELIVERY, READER).plan_completed(1, 1).folded();
}

#[test]
#[should_panic(expected = "leaves out others than 0 erased")]
fn a_plan_that_leaves_out_somebody_else_is_noticed() {
    let story = published().frozen(2, 2);
    story.plans(DELIVERY, READER).plan_completed(1, 1).folded();
}

#[test]
#[should_panic(expected = "the plan of")]
fn a_plan_of_more_than_was_frozen_is_noticed() {
    let story = published().frozen(1, 1).plans(DELIVERY, READER);
    story.plans(FOLDER, ANOTHER).plan_completed(2, 0).folded();
}

#[test]
#[should_panic(expected = "segments and a broadcast")]
fn a_broadcast_beside_segments_is_noticed() {
    let story = published().configures(CHANNEL, "file");
    story.frozen(0, 1).folded();
}
