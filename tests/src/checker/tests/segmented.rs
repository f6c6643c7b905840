//! Publications to segments, whose conditions the checker can not read: whom they have picked stands in bits.

use tidings_proto::publication::audience_frozen::AskedSegment;
use tidings_proto::segment;

use super::*;

const SEGMENT: Uuid = Uuid::from_u128(13);

/// A reader and another signed up, and a publication was published to whom a segment leaves in.
fn published() -> Story {
    let drafted = publication::Drafted {
        channel_ids: vec![uuid_bytes(CHANNEL)],
        excluded_segment_ids: vec![uuid_bytes(SEGMENT)],
        ..publication::Drafted::default()
    };
    let published = publication::Published { content_version: 1 };
    Story::default()
        .signs_up(READER)
        .signs_up(ANOTHER)
        .then(SEGMENT, &segment::Defined::default())
        .configures(CHANNEL, "email")
        .then(PUBLICATION, &drafted)
        .then(PUBLICATION, &published)
}

/// The segment leaves these in, as these bits say.
fn frozen(story: Story, readers: &[Uuid], bits: &[u8]) -> Story {
    let frozen = by(&story, readers, bits, &[(SEGMENT, 1)]);
    story.then(PUBLICATION, &frozen)
}

/// As of now; segments that were asked, and at which version.
fn by(
    story: &Story,
    readers: &[Uuid],
    bits: &[u8],
    segments: &[(Uuid, i32)],
) -> publication::AudienceFrozen {
    let asked = segments.iter().map(|(id, version)| AskedSegment {
        segment_id: uuid_bytes(*id),
        version: *version,
    });
    publication::AudienceFrozen {
        segments: asked.collect(),
        picked: bits.to_vec().into(),
        ..story.audience(readers, readers.len() as i64)
    }
}

#[test]
fn a_segment_may_leave_out_anybody() {
    for (readers, bits) in [
        (&[][..], 0),
        (&[READER], 0x80),
        (&[ANOTHER], 0x40),
        (&[READER, ANOTHER], 0xc0),
    ] {
        let mut story = frozen(published(), readers, &[bits]);
        for (n, reader) in readers.iter().enumerate() {
            story = story.plans(Uuid::from_u128(100 + n as u128), *reader);
        }
        story.plan_completed(readers.len() as i64, 0).folded();
    }
}

#[test]
#[should_panic(expected = "which readers of")]
fn bits_of_others_are_noticed() {
    frozen(published(), &[READER], &[0x40]).folded();
}

#[test]
#[should_panic(expected = "readers of")]
fn bits_of_fewer_are_noticed() {
    frozen(published(), &[READER, ANOTHER], &[0x80]).folded();
}

#[test]
#[should_panic(expected = "bits of more than 2 readers")]
fn a_bit_of_nobody_is_noticed() {
    frozen(published(), &[READER], &[0x81]).folded();
}

#[test]
#[should_panic(expected = "0 bits of 2 readers")]
fn missing_bits_are_noticed() {
    frozen(published(), &[], &[]).folded();
}

#[test]
#[should_panic(expected = "bits of more than 2 readers")]
fn a_byte_too_many_is_noticed() {
    frozen(published(), &[READER], &[0x80, 0]).folded();
}

#[test]
#[should_panic(expected = "is not in the audience")]
fn a_delivery_to_whom_it_leaves_out_is_noticed() {
    let story = frozen(published(), &[READER], &[0x80]);
    story.plans(DELIVERY, ANOTHER).folded();
}

#[test]
#[should_panic(expected = "leaves out")]
fn a_plan_that_leaves_somebody_out_who_was_erased_since_is_noticed() {
    let story = frozen(published(), &[READER, ANOTHER], &[0xc0]);
    let story = story.then(ANOTHER, &subscriber::ErasureRequested::default());
    story.plans(DELIVERY, READER).plan_completed(1, 1).folded();
}

#[test]
#[should_panic(expected = "other segments were asked")]
fn a_segment_that_was_not_asked_is_noticed() {
    let frozen = by(&published(), &[READER], &[0x80], &[]);
    published().then(PUBLICATION, &frozen).folded();
}

#[test]
#[should_panic(expected = "a segment was asked at version 1 that is at 2")]
fn a_segment_that_was_revised_meanwhile_is_noticed() {
    let story = published().then(SEGMENT, &segment::Revised::default());
    frozen(story, &[READER], &[0x80]).folded();
}

#[test]
#[should_panic(expected = "a segment was asked at version 2 that is at 2 since 7")]
fn subscribers_from_before_the_segment_are_noticed() {
    let frozen = by(&published(), &[READER], &[0x80], &[(SEGMENT, 2)]);
    let story = published().then(SEGMENT, &segment::Revised::default());
    story.then(PUBLICATION, &frozen).folded();
}

#[test]
#[should_panic(expected = "segments and a broadcast")]
fn a_broadcast_beside_segments_is_noticed() {
    let story = published().configures(CHANNEL, "file");
    frozen(story, &[], &[0]).folded();
}
