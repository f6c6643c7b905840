//! To whom a draft or a revision goes: the topics and segments it names.

use tidings_domain::publication::{Aim, Priority, SegmentList};
use tidings_domain::segment::{Condition, Segment};
use tidings_domain::topic::Topic;
use tidings_domain::value::{SegmentIds, TopicIds};
use tidings_service::Problem;
use uuid::Uuid;

use super::content::PublicationContent;
use super::named;
use crate::Commands;
use crate::refusal::Values;

/// The list in a request.
pub(crate) const fn pointer(list: &SegmentList) -> &'static str {
    match list {
        SegmentList::Picking => "#/segments",
        SegmentList::Excluding => "#/excluded_segments",
    }
}

/// The lists of segments that a request says nothing about.
pub(super) fn unsaid(content: &PublicationContent) -> Vec<SegmentList> {
    let lists = [
        (SegmentList::Picking, &content.segments),
        (SegmentList::Excluding, &content.excluded_segments),
    ];
    let unsaid = lists.into_iter().filter(|(_, list)| list.is_none());
    unsaid.map(|(which, _)| which).collect()
}

/// To whom, and how soon; none when something is wrong, which is noted. `before`: the segments that the draft names by now.
///
/// # Errors
/// 503 when the log cannot be read.
pub(super) async fn judge(
    commands: &Commands,
    values: &mut Values,
    content: &PublicationContent,
    before: &[Uuid],
) -> Result<Option<Aim>, Problem> {
    let topics = &content.topics;
    let topic_ids = named::all::<Topic>(commands, values, "#/topics", topics, &[]).await?;
    let topic_ids = topic_ids.map(|all| all.into_iter().map(|(id, _)| id).collect());
    let topic_ids = topic_ids.and_then(|ids| values.take("#/topics", TopicIds::parse(ids)));
    let segments = segments(commands, values, content, before).await?;
    let priority = values.take("#/priority", Priority::parse(&content.priority));
    let all = topic_ids.zip(segments).zip(priority);
    Ok(all.map(
        |((topic_ids, [segment_ids, excluded_segment_ids]), priority)| Aim {
            topic_ids,
            segment_ids,
            excluded_segment_ids,
            priority,
        },
    ))
}

/// Those that pick, and those that exclude.
async fn segments(
    commands: &Commands,
    values: &mut Values,
    content: &PublicationContent,
    before: &[Uuid],
) -> Result<Option<[SegmentIds; 2]>, Problem> {
    let picking = content.segments.as_deref().unwrap_or_default();
    let excluding = content.excluded_segments.as_deref().unwrap_or_default();
    for (at, slug) in excluding.iter().enumerate() {
        if picking.contains(slug) {
            values.wrong(
                &format!("{}/{at}", pointer(&SegmentList::Excluding)),
                &format!("the segment {slug:?} stands in `segments` too: whom it picks would get it, and not get it"),
            );
        }
    }
    let mut compared = 0;
    let mut ids = Vec::new();
    for (list, slugs) in [
        (SegmentList::Picking, picking),
        (SegmentList::Excluding, excluding),
    ] {
        let pointer = pointer(&list);
        let all = named::all::<Segment>(commands, values, pointer, slugs, before).await?;
        let Some(all) = all else { continue };
        let conditions = all.iter().filter_map(|(_, segment)| segment.condition());
        compared += conditions.map(Condition::values).sum::<usize>();
        if compared > Aim::VALUES_MAX {
            values.wrong(pointer, &too_much(compared));
        }
        let parsed = SegmentIds::parse(all.into_iter().map(|(id, _)| id).collect());
        ids.extend(values.take(pointer, parsed));
    }
    Ok(ids.try_into().ok())
}

fn too_much(compared: usize) -> String {
    format!(
        "its segments compare with {compared} values together; at most {} are allowed: name fewer, or simpler ones",
        Aim::VALUES_MAX
    )
}
