//! Folds publication streams into one row each.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::{Event, common::Content};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fields::{Fields, Opened, of_nouns};

/// The view `publication_status`.
pub struct PublicationStatus;

/// Every state there is.
pub(super) const STATES: [&str; 7] = [
    "draft",
    "scheduled",
    "published",
    "frozen",
    "planned",
    "completed",
    "cancelled",
];

view_row! {
    /// A publication.
    pub struct PublicationRow {
        key {
            /// The stream.
            publication_id: Uuid,
        }
        /// Opened; none once the text was taken down.
        title: Option<String>,
        /// One of [`STATES`]; none: the events of this row say nothing of it.
        state: Option<String>,
        /// Stream version of the content that goes out.
        content_version: Option<i32>,
        /// Array of uuids.
        channel_ids: Option<serde_json::Value>,
        /// Array of uuids; empty: it is for everybody.
        topic_ids: Option<serde_json::Value>,
        /// Array of uuids: only whom any picks; empty: everybody.
        segment_ids: Option<serde_json::Value>,
        /// Array of uuids: nobody whom any picks.
        excluded_segment_ids: Option<serde_json::Value>,
        /// urgent; empty: ordinary.
        priority: Option<String>,
        /// Position of the first event.
        created_position: Option<i64>,
        /// When it was drafted.
        created_at: Option<OffsetDateTime>,
        /// When it was published.
        published_at: Option<OffsetDateTime>,
        /// When everything was settled.
        completed_at: Option<OffsetDateTime>,
        /// When it was cancelled.
        cancelled_at: Option<OffsetDateTime>,
        /// Why it was cancelled.
        cancel_reason: Option<String>,
        /// When it goes out by itself: what a clock shows.
        local_time: Option<String>,
        /// There.
        zone: Option<String>,
        /// The instant that was when it was scheduled.
        scheduled_at: Option<OffsetDateTime>,
        /// Why it did not go out at its time; empty once it was scheduled anew or sent.
        missed_reason: Option<String>,
        /// Why nothing goes out for now; empty once it goes on.
        paused_reason: Option<String>,
        /// Retries that were asked for, less those that were put into effect.
        retries: i32,
        /// Position of the last event that sets deliveries going, or cancels them: what was completed before is not
        /// any more.
        under_way_since: Option<i64>,
        /// Position of the last completion.
        completed_position: Option<i64>,
        /// Subscribers in the frozen audience.
        subscribers: Option<i64>,
        /// Deliveries to plan, as frozen.
        deliveries: Option<i64>,
        /// Deliveries planned.
        planned: Option<i64>,
        /// Deliveries a cancellation left out.
        not_planned: Option<i64>,
        /// Stream version.
        version: i32,
        /// Log position.
        position: i64,
    }
}

impl View for PublicationStatus {
    type Row = PublicationRow;
    const DEFINITION: Definition = Definition {
        name: "publication_status",
        sql: tidings_schema::views::PUBLICATION_STATUS,
    };
    const NOUNS: &'static [&'static str] = &["publication"];
    const OPENS: &'static [&'static str] = &["publication"];

    fn fold(item: &Item, ring: &KeyRing, rows: &mut Vec<Self::Row>) -> Result<(), UnderstandError> {
        if let Some(event) = of_nouns(item, Self::NOUNS)? {
            rows.extend(row(item, event, ring)?);
        }
        Ok(())
    }
}

fn row(
    item: &Item,
    event: &Event,
    ring: &KeyRing,
) -> Result<Option<PublicationRow>, UnderstandError> {
    let at = Some(item.recorded.occurred_at);
    let row = PublicationRow::nothing(item);
    let fields = Fields::of(event);
    Ok(Some(match event {
        Event::PublicationDrafted(it) => PublicationRow {
            created_position: Some(item.position()),
            created_at: at,
            ..written(row.state("draft"), item, ring, it.content.as_ref())?
        }
        .aimed(fields, (&it.channel_ids, &it.topic_ids, &it.priority))?
        .among(fields, &it.segment_ids, &it.excluded_segment_ids)?,
        Event::PublicationRevised(it) => written(row, item, ring, it.content.as_ref())?
            .aimed(fields, (&it.channel_ids, &it.topic_ids, &it.priority))?
            .among(fields, &it.segment_ids, &it.excluded_segment_ids)?,
        Event::PublicationScheduled(it) => PublicationRow {
            local_time: Some(it.local_time.clone()),
            zone: Some(it.zone.clone()),
            scheduled_at: fields.instant("at_us", it.at_us)?,
            missed_reason: Some(String::new()),
            ..row.state("scheduled")
        },
        Event::PublicationUnscheduled(_) => row.state("draft"),
        Event::PublicationScheduleMissed(it) => PublicationRow {
            missed_reason: Some(it.reason.clone()),
            ..row.state("draft")
        },
        Event::PublicationPaused(it) => PublicationRow {
            paused_reason: Some(it.reason.clone()),
            ..row
        },
        Event::PublicationResumed(_) => row.going_on(),
        // A completed one is under way again.
        Event::PublicationRetryRequested(_) => PublicationRow {
            retries: 1,
            under_way_since: Some(item.position()),
            ..row.state("planned")
        },
        Event::PublicationRetryCompleted(_) => PublicationRow { retries: -1, ..row },
        Event::PublicationPublished(it) => PublicationRow {
            content_version: Some(it.content_version),
            published_at: at,
            under_way_since: Some(item.position()),
            missed_reason: Some(String::new()),
            ..row.state("published")
        },
        Event::PublicationAudienceFrozen(it) => PublicationRow {
            subscribers: Some(it.subscribers),
            deliveries: Some(it.deliveries),
            ..row.state("frozen")
        },
        Event::PublicationPlanCompleted(it) => PublicationRow {
            planned: Some(it.planned),
            not_planned: Some(it.not_planned),
            ..row.state("planned")
        },
        Event::PublicationCompleted(_) => PublicationRow {
            completed_at: at,
            completed_position: Some(item.position()),
            ..row.state("completed").going_on()
        },
        Event::PublicationCancelled(it) => PublicationRow {
            cancelled_at: at,
            cancel_reason: Some(it.reason.clone()),
            under_way_since: Some(item.position()),
            ..row.state("cancelled").going_on()
        },
        _ => return Ok(None),
    }))
}

impl PublicationRow {
    fn nothing(item: &Item) -> Self {
        Self {
            publication_id: item.recorded.stream_id,
            title: None,
            state: None,
            content_version: None,
            channel_ids: None,
            topic_ids: None,
            segment_ids: None,
            excluded_segment_ids: None,
            priority: None,
            created_position: None,
            created_at: None,
            published_at: None,
            completed_at: None,
            cancelled_at: None,
            cancel_reason: None,
            local_time: None,
            zone: None,
            scheduled_at: None,
            missed_reason: None,
            paused_reason: None,
            retries: 0,
            under_way_since: None,
            completed_position: None,
            subscribers: None,
            deliveries: None,
            planned: None,
            not_planned: None,
            version: item.recorded.version,
            position: item.position(),
        }
    }

    fn state(self, state: &str) -> Self {
        Self {
            state: Some(state.to_owned()),
            ..self
        }
    }

    /// Whatever paused it before does no longer.
    fn going_on(self) -> Self {
        Self {
            paused_reason: Some(String::new()),
            ..self
        }
    }

    fn aimed(
        self,
        fields: Fields,
        (channel_ids, topic_ids, priority): (&[impl AsRef<[u8]>], &[impl AsRef<[u8]>], &str),
    ) -> Result<Self, UnderstandError> {
        Ok(Self {
            channel_ids: Some(ids(fields, "channel_ids", channel_ids)?),
            topic_ids: Some(ids(fields, "topic_ids", topic_ids)?),
            priority: Some(priority.to_owned()),
            ..self
        })
    }

    /// Whom segments leave of those who get it otherwise.
    fn among(
        self,
        fields: Fields,
        segment_ids: &[impl AsRef<[u8]>],
        excluded: &[impl AsRef<[u8]>],
    ) -> Result<Self, UnderstandError> {
        Ok(Self {
            segment_ids: Some(ids(fields, "segment_ids", segment_ids)?),
            excluded_segment_ids: Some(ids(fields, "excluded_segment_ids", excluded)?),
            ..self
        })
    }
}

fn written(
    row: PublicationRow,
    item: &Item,
    ring: &KeyRing,
    content: Option<&Content>,
) -> Result<PublicationRow, UnderstandError> {
    let title = content.and_then(|content| content.title.as_ref());
    Ok(PublicationRow {
        title: Opened::of(item, ring).text("content.title", title)?,
        content_version: Some(item.recorded.version),
        ..row
    })
}

fn ids(
    fields: Fields,
    field: &'static str,
    ids: &[impl AsRef<[u8]>],
) -> Result<serde_json::Value, UnderstandError> {
    let ids = ids.iter().map(|id| fields.id(field, id.as_ref()));
    let ids: Vec<String> = ids
        .map(|id| Ok(id?.to_string()))
        .collect::<Result<_, UnderstandError>>()?;
    Ok(ids.into())
}

impl Merge for PublicationRow {
    fn merge(self, later: Self) -> Self {
        // What a cancellation leaves to be planned and settled does not undo it.
        let state = match self.state.as_deref() {
            Some("cancelled") => self.state,
            _ => later.state.or(self.state),
        };
        // A revision replaces the title even if its own was erased; other events carry none.
        let title = if later.channel_ids.is_some() {
            later.title
        } else {
            self.title
        };
        Self {
            publication_id: self.publication_id,
            title,
            state,
            content_version: later.content_version.or(self.content_version),
            channel_ids: later.channel_ids.or(self.channel_ids),
            topic_ids: later.topic_ids.or(self.topic_ids),
            segment_ids: later.segment_ids.or(self.segment_ids),
            excluded_segment_ids: later.excluded_segment_ids.or(self.excluded_segment_ids),
            priority: later.priority.or(self.priority),
            created_position: self.created_position.or(later.created_position),
            created_at: self.created_at.or(later.created_at),
            published_at: self.published_at.or(later.published_at),
            completed_at: later.completed_at.or(self.completed_at),
            cancelled_at: self.cancelled_at.or(later.cancelled_at),
            cancel_reason: self.cancel_reason.or(later.cancel_reason),
            local_time: later.local_time.or(self.local_time),
            zone: later.zone.or(self.zone),
            scheduled_at: later.scheduled_at.or(self.scheduled_at),
            paused_reason: later.paused_reason.or(self.paused_reason),
            missed_reason: later.missed_reason.or(self.missed_reason),
            retries: self.retries + later.retries,
            under_way_since: later.under_way_since.or(self.under_way_since),
            completed_position: later.completed_position.or(self.completed_position),
            subscribers: self.subscribers.or(later.subscribers),
            deliveries: self.deliveries.or(later.deliveries),
            planned: self.planned.or(later.planned),
            not_planned: self.not_planned.or(later.not_planned),
            version: later.version,
            position: later.position,
        }
    }
}
