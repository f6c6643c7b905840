//! Publication events on the wire. The content is sealed under the publication's own key.

use tidings_proto::{Event as Wire, EventMessage as _, common, publication as wire, to_us};
use uuid::Uuid;

use super::{
    Accounting, Aim, AskedSegment, Audience, Content, Event, MissedReason, Picked, Plan, Priority,
    Publication, RetriedClass, Retry, Source,
};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::schedule::CivilTime;
use crate::value::{ChannelIds, Code, Html, Markdown, PageUrl, SegmentIds, Title, TopicIds};
use crate::wire::{Fields, count, id, optional_id};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Drafted { .. } => wire::Drafted::TYPE,
        Event::Revised { .. } => wire::Revised::TYPE,
        Event::Published { .. } => wire::Published::TYPE,
        Event::AudienceFrozen { .. } => wire::AudienceFrozen::TYPE,
        Event::PlanCompleted(_) => wire::PlanCompleted::TYPE,
        Event::Cancelled { .. } => wire::Cancelled::TYPE,
        Event::Completed(_) => wire::Completed::TYPE,
        Event::Scheduled { .. } => wire::Scheduled::TYPE,
        Event::Unscheduled => wire::Unscheduled::TYPE,
        Event::ScheduleMissed { .. } => wire::ScheduleMissed::TYPE,
        Event::Paused { .. } => wire::Paused::TYPE,
        Event::Resumed => wire::Resumed::TYPE,
        Event::RetryRequested(_) => wire::RetryRequested::TYPE,
        Event::RetryCompleted { .. } => wire::RetryCompleted::TYPE,
    }
}

/// The first contract revision that knows of content in HTML.
const HTML_REVISION: u32 = 2;
/// The first that knows of topics: older readers would send to everybody.
const TOPICS_REVISION: u32 = 3;
/// The first that knows of segments: so would they.
const SEGMENTS_REVISION: u32 = 4;

pub(super) fn min_reader(event: &Event) -> u32 {
    match event {
        Event::Drafted { aim, .. } | Event::Revised { aim, .. } if aim.is_by_segments() => {
            SEGMENTS_REVISION
        }
        Event::Drafted { aim, .. } | Event::Revised { aim, .. }
            if !aim.topic_ids.as_slice().is_empty() =>
        {
            TOPICS_REVISION
        }
        Event::Drafted { content, .. } | Event::Revised { content, .. } => {
            match content.source.known() {
                Some(Source::Html(_)) => HTML_REVISION,
                Some(Source::Markdown(_)) | None => 0,
            }
        }
        _ => 0,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    match event {
        Event::Drafted {
            content,
            channel_ids,
            aim,
        } => wire::Drafted {
            content: Some(encode_content(content, seal)),
            channel_ids: channel_ids.iter().map(id).collect(),
            topic_ids: ids(aim.topic_ids.as_slice()),
            priority: encode_priority(aim.priority),
            segment_ids: ids(aim.segment_ids.as_slice()),
            excluded_segment_ids: ids(aim.excluded_segment_ids.as_slice()),
        }
        .into(),
        Event::Revised {
            content,
            channel_ids,
            aim,
        } => wire::Revised {
            content: Some(encode_content(content, seal)),
            channel_ids: channel_ids.iter().map(id).collect(),
            topic_ids: ids(aim.topic_ids.as_slice()),
            priority: encode_priority(aim.priority),
            segment_ids: ids(aim.segment_ids.as_slice()),
            excluded_segment_ids: ids(aim.excluded_segment_ids.as_slice()),
        }
        .into(),
        Event::Published { content_version } => wire::Published {
            content_version: *content_version,
        }
        .into(),
        Event::AudienceFrozen { audience, picked } => wire::AudienceFrozen {
            view_position: audience.view_position,
            subscribers: count(audience.subscribers),
            deliveries: count(audience.deliveries),
            audience_digest: audience.digest.to_vec().into(),
            segments: picked.iter().flat_map(asked).collect(),
            picked: picked.iter().flat_map(|it| &it.bits).copied().collect(),
        }
        .into(),
        Event::PlanCompleted(plan) => wire::PlanCompleted {
            planned: count(plan.planned),
            not_planned: count(plan.not_planned),
        }
        .into(),
        Event::Cancelled { reason } => wire::Cancelled {
            reason: reason.to_string(),
        }
        .into(),
        Event::Completed(totals) => wire::Completed {
            sent: count(totals.sent),
            failed: count(totals.failed),
            suppressed: count(totals.suppressed),
            cancelled: count(totals.cancelled),
            in_doubt: count(totals.in_doubt),
            not_planned: count(totals.not_planned),
        }
        .into(),
        word => encode_word(word),
    }
}

/// An editor's word besides the content, and what became of it.
fn encode_word(event: &Event) -> Wire {
    match event {
        Event::Scheduled { time, at } => wire::Scheduled {
            local_time: time.local_time(),
            zone: time.zone().to_owned(),
            at_us: to_us(*at),
        }
        .into(),
        Event::Unscheduled => wire::Unscheduled {}.into(),
        Event::ScheduleMissed {
            schedule_version,
            reason,
        } => wire::ScheduleMissed {
            schedule_version: *schedule_version,
            reason: reason.to_string(),
        }
        .into(),
        Event::Paused { reason } => wire::Paused {
            reason: reason.to_string(),
        }
        .into(),
        Event::Resumed => wire::Resumed {}.into(),
        Event::RetryRequested(retry) => wire::RetryRequested {
            class: retry.class.to_string(),
            channel_id: optional_id(retry.channel_id),
            delivery_id: optional_id(retry.delivery_id),
            failed_reasons: retry.failed_reasons.iter().map(Code::to_string).collect(),
            reason: retry.reason.to_string(),
        }
        .into(),
        Event::RetryCompleted { version } => wire::RetryCompleted {
            request_version: *version,
        }
        .into(),
        // `encode` has dealt with all others.
        _ => unreachable!("neither content nor progress"),
    }
}

/// What is ordinary is not said: older events do not say it either.
fn encode_priority(priority: Priority) -> String {
    match priority {
        Priority::Ordinary => String::new(),
        Priority::Urgent => priority.to_string(),
    }
}

fn ids<B: From<Vec<u8>>>(ids: &[Uuid]) -> Vec<B> {
    ids.iter().copied().map(id).collect()
}

fn asked(picked: &Picked) -> impl Iterator<Item = wire::audience_frozen::AskedSegment> + '_ {
    picked
        .segments
        .iter()
        .map(|it| wire::audience_frozen::AskedSegment {
            segment_id: id(it.segment_id),
            version: it.version,
        })
}

/// None: no segment had a say.
fn decode_picked(
    fields: Fields,
    frozen: &wire::AudienceFrozen,
) -> Result<Option<Picked>, CodecError> {
    if frozen.segments.is_empty() {
        return Ok(None);
    }
    let segments = frozen.segments.iter().map(|it| {
        Ok(AskedSegment {
            segment_id: fields.id("segments", &it.segment_id)?,
            version: it.version,
        })
    });
    Ok(Some(Picked {
        segments: segments.collect::<Result<_, CodecError>>()?,
        bits: frozen.picked.to_vec(),
    }))
}

fn decode_aim(
    fields: Fields,
    topic_ids: &[impl AsRef<[u8]>],
    [segment_ids, excluded]: [&[impl AsRef<[u8]>]; 2],
    priority: &str,
) -> Result<Aim, CodecError> {
    let excluded = fields.ids("excluded_segment_ids", excluded)?;
    Ok(Aim {
        topic_ids: TopicIds::recorded(fields.ids("topic_ids", topic_ids)?),
        segment_ids: SegmentIds::recorded(fields.ids("segment_ids", segment_ids)?),
        excluded_segment_ids: SegmentIds::recorded(excluded),
        priority: match priority {
            "" => Priority::Ordinary,
            code => Priority::parse(code).map_err(|_| fields.impossible("priority"))?,
        },
    })
}

fn encode_content(content: &Content, seal: &dyn Seal) -> common::Content {
    let (markdown, html) = match content.source.known() {
        Some(Source::Markdown(text)) => (Some(text.as_str()), None),
        Some(Source::Html(page)) => (None, Some(page.as_str())),
        None => (None, None),
    };
    let url = content.url.as_ref().and_then(Personal::known);
    common::Content {
        title: seal.seal_text("content.title", content.title.known().map(Title::as_str)),
        markdown: seal.seal_text("content.markdown", markdown),
        html: seal.seal_text("content.html", html),
        url: seal.seal_text("content.url", url.map(PageUrl::as_str)),
    }
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::PublicationDrafted(e) => Ok(Event::Drafted {
            content: decode_content(e.content.as_ref(), open)?,
            channel_ids: ChannelIds::recorded(fields.ids("channel_ids", &e.channel_ids)?),
            aim: decode_aim(
                fields,
                &e.topic_ids,
                [&e.segment_ids, &e.excluded_segment_ids],
                &e.priority,
            )?,
        }),
        Wire::PublicationRevised(e) => Ok(Event::Revised {
            content: decode_content(e.content.as_ref(), open)?,
            channel_ids: ChannelIds::recorded(fields.ids("channel_ids", &e.channel_ids)?),
            aim: decode_aim(
                fields,
                &e.topic_ids,
                [&e.segment_ids, &e.excluded_segment_ids],
                &e.priority,
            )?,
        }),
        Wire::PublicationPublished(e) => Ok(Event::Published {
            content_version: e.content_version,
        }),
        Wire::PublicationAudienceFrozen(e) => Ok(Event::AudienceFrozen {
            audience: Audience {
                view_position: e.view_position,
                subscribers: fields.count("subscribers", e.subscribers)?,
                deliveries: fields.count("deliveries", e.deliveries)?,
                digest: fields.digest("audience_digest", &e.audience_digest)?,
            },
            picked: decode_picked(fields, e)?,
        }),
        Wire::PublicationPlanCompleted(e) => Ok(Event::PlanCompleted(Plan {
            planned: fields.count("planned", e.planned)?,
            not_planned: fields.count("not_planned", e.not_planned)?,
        })),
        Wire::PublicationCancelled(e) => Ok(Event::Cancelled {
            reason: Code::recorded(e.reason.clone()),
        }),
        Wire::PublicationCompleted(e) => Ok(Event::Completed(Accounting {
            sent: fields.count("sent", e.sent)?,
            failed: fields.count("failed", e.failed)?,
            suppressed: fields.count("suppressed", e.suppressed)?,
            cancelled: fields.count("cancelled", e.cancelled)?,
            in_doubt: fields.count("in_doubt", e.in_doubt)?,
            not_planned: fields.count("not_planned", e.not_planned)?,
        })),
        word => decode_word(word, fields),
    }
}

/// An editor's word besides the content, and what became of it.
fn decode_word(event: &Wire, fields: Fields) -> Result<Event, CodecError> {
    match event {
        Wire::PublicationScheduled(e) => Ok(Event::Scheduled {
            time: CivilTime::recorded(&e.local_time, e.zone.clone())
                .ok_or_else(|| fields.impossible("local_time"))?,
            at: fields.instant("at_us", e.at_us)?,
        }),
        Wire::PublicationUnscheduled(_) => Ok(Event::Unscheduled),
        Wire::PublicationScheduleMissed(e) => Ok(Event::ScheduleMissed {
            schedule_version: e.schedule_version,
            reason: MissedReason::parse(&e.reason).map_err(|_| fields.impossible("reason"))?,
        }),
        Wire::PublicationPaused(e) => Ok(Event::Paused {
            reason: Code::recorded(e.reason.clone()),
        }),
        Wire::PublicationResumed(_) => Ok(Event::Resumed),
        Wire::PublicationRetryRequested(e) => Ok(Event::RetryRequested(Retry {
            class: RetriedClass::parse(&e.class).map_err(|_| fields.impossible("class"))?,
            channel_id: fields.optional_id("channel_id", &e.channel_id)?,
            delivery_id: fields.optional_id("delivery_id", &e.delivery_id)?,
            failed_reasons: e
                .failed_reasons
                .iter()
                .cloned()
                .map(Code::recorded)
                .collect(),
            reason: Code::recorded(e.reason.clone()),
        })),
        Wire::PublicationRetryCompleted(e) => Ok(Event::RetryCompleted {
            version: e.request_version,
        }),
        other => Err(CodecError::WrongStream {
            noun: Publication::NOUN,
            found: other.event_type(),
        }),
    }
}

fn decode_content(
    content: Option<&common::Content>,
    open: &dyn Open,
) -> Result<Content, CodecError> {
    let title = content.and_then(|content| content.title.as_ref());
    let markdown = content.and_then(|content| content.markdown.as_ref());
    let html = content.and_then(|content| content.html.as_ref());
    let url = content.and_then(|content| content.url.as_ref());
    let source = match html {
        None => open
            .open_text("content.markdown", markdown)?
            .map(|text| Source::Markdown(Markdown::recorded(text))),
        html => open
            .open_text("content.html", html)?
            .map(|page| Source::Html(Html::recorded(page))),
    };
    Ok(Content {
        title: open.open_text("content.title", title)?.map(Title::recorded),
        source,
        url: open
            .open_optional_text("content.url", url)?
            .map(|url| url.map(PageUrl::recorded)),
    })
}
