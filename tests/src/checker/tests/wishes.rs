//! What readers want of topics and channels, and that nobody is left out without a reason.

use tidings_proto::topic;

use super::*;

const TOPIC: Uuid = Uuid::from_u128(20);
const OTHER: Uuid = Uuid::from_u128(21);

fn left(topic_id: Option<Uuid>, channel_id: Option<Uuid>) -> subscriber::Unsubscribed {
    let bytes = |id: Option<Uuid>| id.map_or_else(Default::default, uuid_bytes);
    subscriber::Unsubscribed {
        topic_id: bytes(topic_id),
        channel_id: bytes(channel_id),
        ..subscriber::Unsubscribed::default()
    }
}

fn asked_for(topic_id: Uuid) -> subscriber::Resubscribed {
    subscriber::Resubscribed {
        topic_id: uuid_bytes(topic_id),
        ..subscriber::Resubscribed::default()
    }
}

fn suppressed(reason: &str) -> delivery::Suppressed {
    delivery::Suppressed {
        reason: reason.to_owned(),
    }
}

/// One topic that everybody gets, and one that only who asked for it does.
fn topics() -> Story {
    let defined = |by_default: &str| topic::Defined {
        by_default: by_default.to_owned(),
        ..topic::Defined::default()
    };
    Story::default()
        .then(TOPIC, &defined("in"))
        .then(OTHER, &defined("out"))
}

/// The delivery of what is about the first topic is planned.
fn about_a_topic() -> Story {
    let story = topics().signs_up(READER);
    let story = story
        .publishes_about(&[TOPIC], &[CHANNEL])
        .frozen(&[READER], 1);
    story.plans(DELIVERY, READER)
}

#[test]
fn an_audience_of_topics_is_whoever_wants_any_of_them() {
    let story = topics().signs_up(READER).signs_up(ANOTHER);
    let story = story.then(READER, &left(Some(TOPIC), None));
    let to = |story: &Story, topics: &[Uuid]| story.clone().publishes_about(topics, &[CHANNEL]);
    to(&story, &[TOPIC]).frozen(&[ANOTHER], 1).folded();
    to(&story, &[OTHER]).frozen(&[], 0).folded();
    to(&story, &[]).frozen(&[READER, ANOTHER], 2).folded();
    let story = story.then(READER, &asked_for(OTHER));
    to(&story, &[OTHER]).frozen(&[READER], 1).folded();
    to(&story, &[OTHER, TOPIC])
        .frozen(&[READER, ANOTHER], 2)
        .folded();
}

#[test]
#[should_panic(expected = "forbidden (topic_left)")]
fn an_attempt_after_the_topic_was_left_is_noticed() {
    let story = about_a_topic().then(READER, &left(Some(TOPIC), None));
    story.attempted(1).folded();
}

#[test]
#[should_panic(expected = "forbidden (channel_left)")]
fn an_attempt_after_the_channel_was_left_is_noticed() {
    let story = about_a_topic().then(READER, &left(None, Some(CHANNEL)));
    story.attempted(1).folded();
}

#[test]
fn what_was_left_otherwise_forbids_nothing() {
    let story = about_a_topic().then(READER, &left(Some(OTHER), None));
    let story = story.then(READER, &left(None, Some(FOLDER)));
    let story = story.then(READER, &left(Some(TOPIC), None));
    let story = story.then(READER, &asked_for(TOPIC));
    story.attempted(1).sent(1).with_copies(1);
}

#[test]
fn who_left_is_left_out() {
    let of_topic = about_a_topic().then(READER, &left(Some(TOPIC), None));
    of_topic.then(DELIVERY, &suppressed("topic_left")).folded();
    let of_all = about_a_topic().leaves(READER);
    of_all.then(DELIVERY, &suppressed("unsubscribed")).folded();
    let added = suppression::Added::default();
    let of_address = about_a_topic().then(stream_of(MAILBOX), &added);
    of_address
        .then(DELIVERY, &suppressed("address_suppressed"))
        .folded();
}

#[test]
fn who_is_left_out_without_a_reason_is_noticed() {
    for reason in [
        "erased",
        "unsubscribed",
        "not_confirmed",
        "address_suppressed",
        "domain_suppressed",
        "topic_left",
        "channel_left",
        "unheard_of",
    ] {
        let story = about_a_topic().then(DELIVERY, &suppressed(reason));
        let noticed = std::panic::catch_unwind(|| story.folded()).unwrap_err();
        let said = noticed.downcast_ref::<String>().unwrap();
        assert!(said.contains("which it never was"), "{reason}: {said}");
    }
}

#[test]
#[should_panic(expected = "cancelled, and")]
fn what_is_cancelled_without_anybody_saying_so_is_noticed() {
    let cancelled = delivery::Cancelled::default();
    Story::planned().then(DELIVERY, &cancelled).folded();
}
