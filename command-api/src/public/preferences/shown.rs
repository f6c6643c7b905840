//! What the form shows: what is on record, or what was entered.

use tidings_domain::preferences::{Frequency, Preferences};
use tidings_domain::schedule::Weekday;
use tidings_domain::subscriber::{Standing, Subscriber};
use tidings_domain::topic::ByDefault;
use uuid::Uuid;

use super::entry::Entry;
use super::held::Held;
use super::matters::Matters;
use crate::offers::Offer;

/// Something that is wanted or not.
pub(super) struct Choice {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) wanted: bool,
    /// How much it matters to them; none: that is not asked.
    pub(super) matters: Option<Matters>,
}

/// What the form shows.
pub(super) struct Shown {
    pub(super) left_everything: bool,
    pub(super) held: Held,
    pub(super) topics: Vec<Choice>,
    pub(super) channels: Vec<Choice>,
    pub(super) preferences: Preferences,
    pub(super) fields: Fields,
}

/// The texts in its fields.
pub(super) struct Fields {
    pub(super) frequency: String,
    pub(super) hour: String,
    pub(super) day: String,
    pub(super) quiet_from: String,
    pub(super) quiet_to: String,
    pub(super) zone: String,
    pub(super) language: String,
    pub(super) cap_messages: String,
    pub(super) cap_per: String,
}

impl Shown {
    /// As it is on record.
    pub(super) fn new(state: &Subscriber, offer: &Offer) -> Self {
        let profile = state.profile();
        let choices = profile.map(|it| it.choices.clone()).unwrap_or_default();
        let preferences = profile.and_then(|it| it.preferences.as_ref()?.known().cloned());
        let preferences = preferences.unwrap_or_default();
        let topics = offer.topics.iter().map(|topic| {
            let by_default = match topic.by_default {
                true => ByDefault::In,
                false => ByDefault::Out,
            };
            Choice {
                id: topic.id,
                name: topic.name.clone(),
                description: topic.description.clone(),
                wanted: choices.wants(topic.id, by_default),
                matters: Some(Matters::of(preferences.weights().get(&topic.id).copied())),
            }
        });
        let channels = offer.channels.iter().map(|channel| Choice {
            id: channel.id,
            name: channel.name.clone(),
            description: None,
            wanted: !choices.has_left_channel(channel.id),
            matters: None,
        });
        Self {
            left_everything: state.standing() == Standing::Unsubscribed,
            held: Held::No,
            topics: topics.collect(),
            channels: channels.collect(),
            fields: Fields::of(&preferences),
            preferences,
        }
    }

    /// The same to an address that this stands against.
    pub(super) fn under(self, held: Held) -> Self {
        Self { held, ..self }
    }

    /// The same with what was entered, so that nobody has to enter it again.
    pub(super) fn with(mut self, entry: &Entry) -> Self {
        for topic in self.topics.iter_mut().filter(|it| entry.saw_topic(it.id)) {
            topic.wanted = entry.wants_topic(topic.id);
        }
        for topic in &mut self.topics {
            if let Some(Ok(matters)) = entry.matters(topic.id) {
                topic.matters = Some(matters);
            }
        }
        for channel in self
            .channels
            .iter_mut()
            .filter(|it| entry.saw_channel(it.id))
        {
            channel.wanted = entry.wants_channel(channel.id);
        }
        let text = |name: &str| entry.text(name).unwrap_or_default().to_owned();
        self.fields = Fields {
            frequency: text("frequency"),
            hour: text("hour"),
            day: text("day"),
            quiet_from: text("quiet_from"),
            quiet_to: text("quiet_to"),
            zone: text("zone"),
            language: text("language"),
            cap_messages: text("cap_messages"),
            cap_per: text("cap_per"),
        };
        self
    }
}

impl Fields {
    fn of(preferences: &Preferences) -> Self {
        let (frequency, day, hour) = match preferences.frequency() {
            Frequency::AtOnce => ("at_once", Weekday::Monday, 8),
            Frequency::Daily { hour } => ("daily", Weekday::Monday, hour),
            Frequency::Weekly { day, hour } => ("weekly", day, hour),
        };
        let quiet = preferences.quiet_hours();
        let clock = |time: Option<String>| time.unwrap_or_default();
        Self {
            frequency: frequency.to_owned(),
            hour: hour.to_string(),
            day: day.as_str().to_owned(),
            quiet_from: clock(quiet.map(|it| it.from().to_string())),
            quiet_to: clock(quiet.map(|it| it.to().to_string())),
            zone: preferences
                .zone()
                .map_or_else(String::new, |it| it.name().to_owned()),
            language: preferences
                .language()
                .map_or_else(String::new, |it| it.as_str().to_owned()),
            cap_messages: preferences
                .cap()
                .map_or_else(String::new, |it| it.messages.to_string()),
            cap_per: preferences
                .cap()
                .map_or("week", |it| it.per.as_str())
                .to_owned(),
        }
    }
}
