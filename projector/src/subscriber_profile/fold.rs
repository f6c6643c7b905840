//! Folds subscriber streams, and what record and address streams say of a subscriber, into one row each.

use serde_json::json;
use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use tidings_proto::record::Changed;
use tidings_proto::subscriber::{ContactChanged, SignedUp};
use time::OffsetDateTime;
use uuid::Uuid;

use super::record;
use crate::fields::{Fields, Opened, of_nouns};

/// The view `subscriber_profile`.
pub struct SubscriberProfile;

const ACTIVE: &str = "active";
const PENDING: &str = "pending";
const UNSUBSCRIBED: &str = "unsubscribed";
const ERASED: &str = "erased";
/// The answer of `SignedUp.confirmation` that lets mail go out at once.
const NOT_REQUIRED: &str = "not_required";

view_row! {
    /// A subscriber.
    pub struct SubscriberRow {
        key {
            /// The stream.
            subscriber_id: Uuid,
        }
        /// Opened; none once erased.
        email: Option<String>,
        /// Whether they have a name, the last time it was said; none when it never was.
        named: Option<bool>,
        /// Opened; none when not given, taken away or erased.
        name: Option<String>,
        /// Opened JSON object: by key the typed value, null once it was taken away; none when never given or erased.
        attributes: Option<serde_json::Value>,
        /// Opened JSON object: of each tag whether they have it; none when never given or erased.
        tags: Option<serde_json::Value>,
        /// Opened JSON object of how and when they want to get what they get; none: they never said, or erased.
        preferences: Option<serde_json::Value>,
        /// JSON object: of each topic they left or asked for, by its id, whether they want it.
        topics: Option<serde_json::Value>,
        /// JSON object: of each channel they said something about, by its id, whether they left it.
        left_channels: Option<serde_json::Value>,
        /// active, pending, unsubscribed or erased: follows from the two below, and whether erasure was requested.
        state: Option<String>,
        /// Whether mail may go out without a further word from them.
        confirmed: Option<bool>,
        /// Whether they left, the last time they said; none when they never did.
        has_left: Option<bool>,
        /// Keyed hash of the address.
        address_id: Option<Uuid>,
        /// The address's suppression stream.
        address_suppression_id: Option<Uuid>,
        /// The domain's suppression stream.
        domain_suppression_id: Option<Uuid>,
        /// Whether the address is claimed by them.
        holds_address: Option<bool>,
        /// How consent came.
        source: Option<String>,
        /// When they signed up.
        signed_up_at: Option<OffsetDateTime>,
        /// When they left; none while they have not, or came back.
        unsubscribed_at: Option<OffsetDateTime>,
        /// When their erasure was requested; from then on nothing opened is kept.
        erasure_requested_at: Option<OffsetDateTime>,
        /// When it was done.
        erased_at: Option<OffsetDateTime>,
        /// Version of the subscriber's own stream.
        version: Option<i32>,
        /// Version of their record's.
        record_version: Option<i32>,
        /// Log position.
        position: i64,
    }
}

impl View for SubscriberProfile {
    // Whether somebody still wants mail is looked up here: overlooking it would let mail out.
    const MAY_SKIP: bool = false;
    type Row = SubscriberRow;
    const DEFINITION: Definition = Definition {
        name: "subscriber_profile",
        sql: tidings_schema::views::SUBSCRIBER_PROFILE,
    };
    const NOUNS: &'static [&'static str] = &["subscriber", "address", "record"];
    const OPENS: &'static [&'static str] = &["subscriber", "record"];

    fn fold(item: &Item, ring: &KeyRing, rows: &mut Vec<Self::Row>) -> Result<(), UnderstandError> {
        if let Some(event) = of_nouns(item, Self::NOUNS)? {
            rows.extend(row(item, event, ring)?.map(SubscriberRow::judged));
        }
        Ok(())
    }
}

fn row(
    item: &Item,
    event: &Event,
    ring: &KeyRing,
) -> Result<Option<SubscriberRow>, UnderstandError> {
    let fields = Fields::of(event);
    let stream_id = item.recorded.stream_id;
    let own = || SubscriberRow {
        version: Some(item.recorded.version),
        ..SubscriberRow::nothing(stream_id, item)
    };
    Ok(Some(match event {
        Event::SubscriberSignedUp(it) => {
            own().signed_up(it, fields, &Opened::of(item, ring), item)?
        }
        Event::SubscriberConfirmed(_) => SubscriberRow {
            confirmed: Some(true),
            ..own()
        },
        // Leaving one thing is not leaving, and asking for one is not coming back.
        Event::SubscriberUnsubscribed(it)
            if !it.topic_id.is_empty() || !it.channel_id.is_empty() =>
        {
            own().choice(fields, (&it.topic_id, &it.channel_id), false)?
        }
        Event::SubscriberResubscribed(it)
            if !it.topic_id.is_empty() || !it.channel_id.is_empty() =>
        {
            own().choice(fields, (&it.topic_id, &it.channel_id), true)?
        }
        Event::SubscriberPreferencesChanged(it) => {
            let opened = Opened::of(item, ring);
            let text = opened.text("preferences", it.preferences.as_ref())?;
            SubscriberRow {
                preferences: text
                    .map(|text| fields.json("preferences", &text))
                    .transpose()?,
                ..own()
            }
        }
        Event::SubscriberContactChanged(it) => own().moved(it, fields, &Opened::of(item, ring))?,
        Event::RecordChanged(it) => {
            let subscriber_id = fields.id("subscriber_id", &it.subscriber_id)?;
            SubscriberRow::nothing(subscriber_id, item).noted(
                it,
                fields,
                &Opened::of(item, ring),
                item,
            )?
        }
        Event::SubscriberUnsubscribed(_) => SubscriberRow {
            has_left: Some(true),
            unsubscribed_at: Some(item.recorded.occurred_at),
            ..own()
        },
        Event::SubscriberResubscribed(_) => SubscriberRow {
            has_left: Some(false),
            ..own()
        },
        Event::SubscriberErasureRequested(_) => SubscriberRow {
            erasure_requested_at: Some(item.recorded.occurred_at),
            ..own()
        },
        Event::SubscriberErased(_) => SubscriberRow {
            erased_at: Some(item.recorded.occurred_at),
            ..own()
        },
        _ => return holds(item, event, fields),
    }))
}

/// Whether an address is theirs.
fn holds(
    item: &Item,
    event: &Event,
    fields: Fields,
) -> Result<Option<SubscriberRow>, UnderstandError> {
    let (subscriber_id, holds) = match event {
        Event::AddressClaimed(it) => (&it.subscriber_id, true),
        Event::AddressReleased(it) => (&it.subscriber_id, false),
        _ => return Ok(None),
    };
    let subscriber_id = fields.id("subscriber_id", subscriber_id)?;
    Ok(Some(SubscriberRow {
        holds_address: Some(holds),
        ..SubscriberRow::nothing(subscriber_id, item)
    }))
}

impl SubscriberRow {
    fn nothing(subscriber_id: Uuid, item: &Item) -> Self {
        Self {
            subscriber_id,
            email: None,
            named: None,
            name: None,
            attributes: None,
            tags: None,
            preferences: None,
            topics: None,
            left_channels: None,
            state: None,
            confirmed: None,
            has_left: None,
            address_id: None,
            address_suppression_id: None,
            domain_suppression_id: None,
            holds_address: None,
            source: None,
            signed_up_at: None,
            unsubscribed_at: None,
            erasure_requested_at: None,
            erased_at: None,
            version: None,
            record_version: None,
            position: item.position(),
        }
    }

    /// Fills in the state. Coming back does not stand in for a confirmation that was never given, and nothing
    /// undoes an erasure.
    fn judged(mut self) -> Self {
        let erased = self.erasure_requested_at.is_some();
        let state = self
            .confirmed
            .map(|confirmed| match (self.has_left, confirmed) {
                _ if erased => ERASED,
                (Some(true), _) => UNSUBSCRIBED,
                (_, true) => ACTIVE,
                (_, false) => PENDING,
            });
        self.state = state.map(str::to_owned);
        if erased {
            (self.email, self.name, self.attributes) = (None, None, None);
            (self.tags, self.preferences) = (None, None);
        }
        self
    }

    /// What they say of a topic or a channel.
    fn choice(
        self,
        fields: Fields,
        (topic_id, channel_id): (&[u8], &[u8]),
        wanted: bool,
    ) -> Result<Self, UnderstandError> {
        let said = |id: Option<Uuid>, flag: bool| id.map(|id| json!({ id.to_string(): flag }));
        Ok(Self {
            topics: said(fields.optional_id("topic_id", topic_id)?, wanted),
            left_channels: said(fields.optional_id("channel_id", channel_id)?, !wanted),
            ..self
        })
    }

    fn signed_up(
        self,
        it: &SignedUp,
        fields: Fields,
        opened: &Opened<'_>,
        item: &Item,
    ) -> Result<Self, UnderstandError> {
        let attributes = opened.text("attributes", it.attributes.as_ref())?;
        let attributes = attributes.map(|text| record::of_sign_up(fields, &text));
        let domain = fields.id("domain_suppression_id", &it.domain_suppression_id)?;
        let address = fields.id("address_suppression_id", &it.address_suppression_id)?;
        Ok(Self {
            email: opened.text("email", it.email.as_ref())?,
            named: Some(it.name.is_some()),
            name: opened.text("name", it.name.as_ref())?,
            attributes: attributes.transpose()?,
            confirmed: Some(it.confirmation == NOT_REQUIRED),
            address_id: Some(fields.id("address_id", &it.address_id)?),
            address_suppression_id: Some(address),
            domain_suppression_id: Some(domain),
            source: Some(it.source.clone()),
            signed_up_at: Some(item.recorded.occurred_at),
            ..self
        })
    }

    fn moved(
        self,
        it: &ContactChanged,
        fields: Fields,
        opened: &Opened<'_>,
    ) -> Result<Self, UnderstandError> {
        let domain = fields.id("domain_suppression_id", &it.domain_suppression_id)?;
        let address = fields.id("address_suppression_id", &it.address_suppression_id)?;
        Ok(Self {
            email: opened.text("email", it.email.as_ref())?,
            address_id: Some(fields.id("address_id", &it.address_id)?),
            address_suppression_id: Some(address),
            domain_suppression_id: Some(domain),
            ..self
        })
    }

    /// What their record says of them from here on.
    fn noted(
        self,
        it: &Changed,
        fields: Fields,
        opened: &Opened<'_>,
        item: &Item,
    ) -> Result<Self, UnderstandError> {
        let patch = record::patch(fields, it, opened)?;
        Ok(Self {
            named: patch.named,
            name: patch.name,
            attributes: patch.attributes,
            tags: patch.tags,
            record_version: Some(item.recorded.version),
            ..self
        })
    }
}

/// The last word on each.
fn together(
    before: Option<serde_json::Value>,
    later: Option<serde_json::Value>,
) -> Option<serde_json::Value> {
    match (before, later) {
        (Some(serde_json::Value::Object(mut all)), Some(serde_json::Value::Object(later))) => {
            all.extend(later);
            Some(all.into())
        }
        (before, later) => later.or(before),
    }
}

impl Merge for SubscriberRow {
    fn merge(self, later: Self) -> Self {
        // Whoever says whether they left also says since when.
        let (has_left, unsubscribed_at) = match later.has_left {
            Some(has_left) => (Some(has_left), later.unsubscribed_at),
            None => (self.has_left, self.unsubscribed_at),
        };
        // Whoever says whether they have a name also says which.
        let (named, name) = match later.named {
            Some(named) => (Some(named), later.name),
            None => (self.named, self.name),
        };
        Self {
            subscriber_id: self.subscriber_id,
            email: later.email.or(self.email),
            named,
            name,
            attributes: together(self.attributes, later.attributes),
            tags: together(self.tags, later.tags),
            preferences: later.preferences.or(self.preferences),
            topics: together(self.topics, later.topics),
            left_channels: together(self.left_channels, later.left_channels),
            state: None,
            confirmed: later.confirmed.or(self.confirmed),
            has_left,
            address_id: later.address_id.or(self.address_id),
            address_suppression_id: later.address_suppression_id.or(self.address_suppression_id),
            domain_suppression_id: later.domain_suppression_id.or(self.domain_suppression_id),
            holds_address: later.holds_address.or(self.holds_address),
            source: later.source.or(self.source),
            signed_up_at: self.signed_up_at.or(later.signed_up_at),
            unsubscribed_at,
            erasure_requested_at: self.erasure_requested_at.or(later.erasure_requested_at),
            erased_at: self.erased_at.or(later.erased_at),
            version: later.version.or(self.version),
            record_version: later.record_version.or(self.record_version),
            position: later.position,
        }
        .judged()
    }
}
