//! What the form shows: what is on record, or what was entered.

use tidings_domain::preferences::{Frequency, Preferences};
use tidings_domain::schedule::Weekday;
use tidings_domain::subscriber::{Standing, Subscriber};
use tidings_domain::topic::ByDefault;
use uuid::Uuid;

use super::entry::{Entry, Mark};
use super::held::Held;
use super::matters::Matters;
use crate::offers::Offer;

/// Something that is wanted or not.
pub(super) struct Choice {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) description: Option<String>,
    /// Whether it is ticked.
    pub(super) wanted: bool,
    /// Whether it is wanted by what is on record.
    pub(super) on_record: bool,
    /// How much it matters to them; none: that is not asked.
    pub(super) weight: Option<Weight>,
}

/// How much a topic matters to somebody.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    pub(super) shown: Matters,
    pub(super) on_record: Matters,
}

/// What the form shows.
pub(super) struct Shown {
    pub(super) left_everything: bool,
    /// How often they have.
    pub(super) departures: u32,
    /// Of their stream: what they say by the page is said of this state.
    pub(super) version: i32,
    pub(super) held: Held,
    pub(super) topics: Vec<Choice>,
    pub(super) channels: Vec<Choice>,
    /// On record.
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
            let wanted = choices.wants(topic.id, by_default);
            let matters = Matters::of(preferences.weights().get(&topic.id).copied());
            Choice {
                id: topic.id,
                name: topic.name.clone(),
                description: topic.description.clone(),
                wanted,
                on_record: wanted,
                weight: Some(Weight {
                    shown: matters,
                    on_record: matters,
                }),
            }
        });
        let channels = offer.channels.iter().map(|channel| {
            let wanted = !choices.has_left_channel(channel.id);
            Choice {
                id: channel.id,
                name: channel.name.clone(),
                description: None,
                wanted,
                on_record: wanted,
                weight: None,
            }
        });
        Self {
            left_everything: state.standing() == Standing::Unsubscribed,
            departures: profile.map_or(0, |it| it.departures),
            version: 0,
            held: Held::No,
            topics: topics.collect(),
            channels: channels.collect(),
            fields: Fields::of(&preferences),
            preferences,
        }
    }

    /// The same as of this version of their stream.
    pub(super) fn at(self, version: i32) -> Self {
        Self { version, ..self }
    }

    /// The same to an address that this stands against.
    pub(super) fn under(self, held: Held) -> Self {
        Self { held, ..self }
    }

    /// The same with what was entered, so that nobody has to enter it again.
    pub(super) fn with(mut self, entry: &Entry) -> Self {
        let named = [("topic", &mut self.topics), ("channel", &mut self.channels)];
        for (name, choices) in named {
            for choice in choices {
                choice.wanted = match entry.mark(name, choice.id) {
                    Mark::Untouched | Mark::Unclear => choice.on_record,
                    Mark::Ticked => true,
                    Mark::Cleared => false,
                };
                if let (Some(weight), Some(Ok(entered))) =
                    (&mut choice.weight, entry.matters(choice.id))
                {
                    weight.shown = entered;
                }
            }
        }
        for (name, text) in self.fields.named() {
            if let Some(entered) = entry.entered(name) {
                *text = entered.unwrap_or_default().to_owned();
            }
        }
        self
    }
}

impl Fields {
    /// Each with the name it has in the form.
    pub(super) fn named(&mut self) -> [(&'static str, &mut String); 9] {
        [
            ("frequency", &mut self.frequency),
            ("hour", &mut self.hour),
            ("day", &mut self.day),
            ("quiet_from", &mut self.quiet_from),
            ("quiet_to", &mut self.quiet_to),
            ("zone", &mut self.zone),
            ("language", &mut self.language),
            ("cap_messages", &mut self.cap_messages),
            ("cap_per", &mut self.cap_per),
        ]
    }

    pub(super) fn of(preferences: &Preferences) -> Self {
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
