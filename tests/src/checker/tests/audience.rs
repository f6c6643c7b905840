//! Who gets a publication: an audience, and the plan that is made of it.

use super::*;

#[test]
fn an_audience_is_whoever_wants_mail_at_its_position_once_by_each_channel() {
    let came_back = subscriber::Resubscribed::default();
    let topic = subscriber::Unsubscribed {
        topic_id: uuid_bytes(ANOTHER),
        ..subscriber::Unsubscribed::default()
    };
    let story = Story::default()
        .configures(FOLDER, "file")
        .signs_up(READER)
        .signs_up(ANOTHER)
        .leaves(READER)
        .then(READER, &came_back)
        .then(READER, &topic)
        .leaves(ANOTHER)
        .publishes(&[CHANNEL, FOLDER])
        .frozen(&[READER], 2);
    let to_all = delivery::Planned {
        cause_id: uuid_bytes(PUBLICATION),
        content_version: 1,
        channel_id: uuid_bytes(FOLDER),
        ..delivery::Planned::default()
    };
    let story = story
        .signs_up(Uuid::from_u128(10))
        .plans(DELIVERY, READER)
        .then(Uuid::from_u128(11), &to_all);
    story.plan_completed(2, 0).folded();
    let only_broadcast = Story::default().configures(FOLDER, "file").signs_up(READER);
    only_broadcast.publishes(&[FOLDER]).frozen(&[], 1).folded();
}

#[test]
#[should_panic(expected = "readers of")]
fn an_audience_that_skips_somebody_is_noticed() {
    Story::published()
        .signs_up(ANOTHER)
        .frozen(&[READER], 1)
        .folded();
}

#[test]
#[should_panic(expected = "which readers of")]
fn an_audience_of_somebody_else_is_noticed() {
    Story::published().frozen(&[ANOTHER], 1).folded();
}

#[test]
#[should_panic(expected = "readers of")]
fn an_audience_with_somebody_who_left_is_noticed() {
    Story::published()
        .leaves(READER)
        .frozen(&[READER], 1)
        .folded();
}

#[test]
#[should_panic(expected = "is not in the audience, at 6")]
fn a_delivery_to_somebody_else_is_noticed() {
    let story = Story::published().frozen(&[READER], 1);
    story.plans(DELIVERY, ANOTHER).folded();
}

#[test]
#[should_panic(expected = "has two deliveries, at 7")]
fn a_second_delivery_to_a_reader_is_noticed() {
    Story::planned().plans(Uuid::from_u128(12), READER).folded();
}

#[test]
#[should_panic(expected = "leaves out")]
fn a_plan_that_leaves_somebody_out_is_noticed() {
    let story = Story::published()
        .signs_up(ANOTHER)
        .frozen(&[READER, ANOTHER], 2);
    story.plans(DELIVERY, READER).plan_completed(1, 1).folded();
}

#[test]
fn a_cancelled_plan_may_leave_somebody_out() {
    let story = Story::published()
        .signs_up(ANOTHER)
        .frozen(&[READER, ANOTHER], 2);
    story
        .plans(DELIVERY, READER)
        .then(PUBLICATION, &publication::Cancelled::default())
        .plan_completed(1, 1)
        .folded();
}

#[test]
#[should_panic(expected = "planned after the plan had ended")]
fn a_delivery_planned_too_late_is_noticed() {
    Story::published()
        .frozen(&[READER], 1)
        .then(PUBLICATION, &publication::Cancelled::default())
        .plans(DELIVERY, READER)
        .folded();
}
