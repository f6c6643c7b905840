//! To whom a draft or a revision goes: the topics and segments it names.

use tidings_domain::publication::{Aim, Priority};
use tidings_domain::segment::{Condition, Segment};
use tidings_domain::topic::Topic;
use tidings_domain::value::{SegmentIds, TopicIds};
use tidings_service::Problem;
use uuid::Uuid;

use super::content::PublicationContent;
use super::named;
use crate::Commands;
use crate::refusal::Values;

const PICKING: &str = "segments";
const EXCLUDING: &str = "excluded_segments";

/// To whom, and how soon; none when something is wrong, which is noted. `before`: to whom the draft goes that is revised.
///
/// # Errors
/// 503 when the log cannot be read.
pub(super) async fn judge(
    commands: &Commands,
    values: &mut Values,
    content: &PublicationContent,
    before: Option<&Aim>,
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
    before: Option<&Aim>,
) -> Result<Option<[SegmentIds; 2]>, Problem> {
    let lists = [
        (PICKING, &content.segments),
        (EXCLUDING, &content.excluded_segments),
    ];
    let before: Vec<Uuid> = before.iter().flat_map(|aim| aim.segments()).collect();
    for (key, _) in lists.iter().filter(|(_, list)| list.is_none()) {
        if !before.is_empty() {
            values.wrong(
                &format!("#/{key}"),
                &format!(
                    "the draft names segments, and without a word on `{key}` it could go to more than it does by now: list them \
                     again, or give an empty list for none"
                ),
            );
        }
    }
    let [picking, excluding] = lists.map(|(_, list)| list.as_deref().unwrap_or_default());
    for (at, slug) in excluding.iter().enumerate() {
        if picking.contains(slug) {
            values.wrong(
                &format!("#/{EXCLUDING}/{at}"),
                &format!("the segment {slug:?} stands in `{PICKING}` too: whom it picks would get it, and not get it"),
            );
        }
    }
    let mut compared = 0;
    let mut ids = Vec::new();
    for (key, slugs) in [(PICKING, picking), (EXCLUDING, excluding)] {
        let pointer = format!("#/{key}");
        let all = named::all::<Segment>(commands, values, &pointer, slugs, &before).await?;
        let Some(all) = all else { continue };
        let conditions = all.iter().filter_map(|(_, segment)| segment.condition());
        compared += conditions.map(Condition::values).sum::<usize>();
        if compared > Aim::VALUES_MAX {
            values.wrong(&pointer, &too_much(compared));
        }
        let parsed = SegmentIds::parse(all.into_iter().map(|(id, _)| id).collect());
        ids.extend(values.take(&pointer, parsed));
    }
    Ok(ids.try_into().ok())
}

fn too_much(compared: usize) -> String {
    format!(
        "its segments compare with {compared} values together; at most {} are allowed: name fewer, or simpler ones",
        Aim::VALUES_MAX
    )
}
