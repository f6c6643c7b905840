//! Counts the hits of each message. Opens nothing: what counts stands in the clear.

use std::sync::Arc;

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Derivation, Derived, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fields::{Fields, of_nouns};
use crate::hit::{Did, Hit, hit};
use crate::publication_engagement::PublicationEngagement;

/// The view `delivery_engagement`.
pub struct DeliveryEngagement;

view_row! {
    /// What was done with one message.
    pub struct EngagementRow {
        key {
            /// The delivery.
            delivery_id: Uuid,
        }
        /// What asked for it; none: it was no publication's.
        publication_id: Option<Uuid>,
        /// The way out.
        channel_id: Uuid,
        /// Who it was for.
        subscriber_id: Uuid,
        /// Times that people fetched its picture.
        opens: i64,
        /// Times that programs did by themselves.
        machine_opens: i64,
        /// Times that people followed a link of it.
        clicks: i64,
        /// Times that programs did by themselves.
        machine_clicks: i64,
        /// When people first fetched its picture.
        first_opened_at: Option<OffsetDateTime>,
        /// When people first followed a link of it.
        first_clicked_at: Option<OffsetDateTime>,
        /// When anybody last did either.
        last_at: OffsetDateTime,
    }
}

impl View for DeliveryEngagement {
    type Row = EngagementRow;
    const DEFINITION: Definition = Definition {
        name: "delivery_engagement",
        sql: tidings_schema::views::DELIVERY_ENGAGEMENT,
    };
    const NOUNS: &'static [&'static str] = &["engagement"];

    fn fold(
        item: &Item,
        _ring: &KeyRing,
        rows: &mut Vec<Self::Row>,
    ) -> Result<(), UnderstandError> {
        let Some(event) = of_nouns(item, Self::NOUNS)? else {
            return Ok(());
        };
        if let Some(hit) = hit(event) {
            rows.push(row(Fields::of(event), hit, item.recorded.occurred_at)?);
        }
        Ok(())
    }

    fn derived() -> Vec<Arc<dyn Derivation<Self::Row>>> {
        vec![Arc::new(Derived::<PublicationEngagement>::default())]
    }
}

fn row(fields: Fields, hit: Hit<'_>, at: OffsetDateTime) -> Result<EngagementRow, UnderstandError> {
    let publication_id = hit.publication_id.map(|id| fields.id("cause_id", id));
    let is = |did, machine| hit.did == did && hit.machine == machine;
    Ok(EngagementRow {
        delivery_id: fields.id("delivery_id", hit.delivery_id)?,
        publication_id: publication_id.transpose()?,
        channel_id: fields.id("channel_id", hit.channel_id)?,
        subscriber_id: fields.id("subscriber_id", hit.subscriber_id)?,
        opens: i64::from(is(Did::Open, false)),
        machine_opens: i64::from(is(Did::Open, true)),
        clicks: i64::from(is(Did::Click, false)),
        machine_clicks: i64::from(is(Did::Click, true)),
        first_opened_at: is(Did::Open, false).then_some(at),
        first_clicked_at: is(Did::Click, false).then_some(at),
        last_at: at,
    })
}

impl EngagementRow {
    /// People opened it: who followed a link of it did, whether or not its picture was fetched.
    pub(crate) fn is_opened(&self) -> bool {
        self.opens > 0 || self.clicks > 0
    }
}

impl Merge for EngagementRow {
    /// But for what every hit of a message says alike, in any order.
    fn merge(self, later: Self) -> Self {
        Self {
            delivery_id: self.delivery_id,
            publication_id: self.publication_id,
            channel_id: self.channel_id,
            subscriber_id: self.subscriber_id,
            opens: self.opens + later.opens,
            machine_opens: self.machine_opens + later.machine_opens,
            clicks: self.clicks + later.clicks,
            machine_clicks: self.machine_clicks + later.machine_clicks,
            first_opened_at: first(self.first_opened_at, later.first_opened_at),
            first_clicked_at: first(self.first_clicked_at, later.first_clicked_at),
            last_at: self.last_at.max(later.last_at),
        }
    }
}

fn first(one: Option<OffsetDateTime>, other: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
    one.into_iter().chain(other).min()
}
