//! How and when a subscriber wants to get what they get. It never says whether: that is consent, and stands elsewhere.

mod given;
mod json;
mod parts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::schedule::{ClockTime, Weekday, Zone};
use crate::value::code_enum;

pub use given::{Given, Wrong};
pub use parts::{Cap, CapPeriod, Language, QuietHours};

code_enum! {
    /// A part of the preferences.
    Part {
        /// How much each topic matters:
        Topics = "topics",
        /// How often:
        Frequency = "frequency",
        /// When not:
        QuietHours = "quiet_hours",
        /// Where their clock hangs:
        Zone = "zone",
        /// In which language:
        Language = "language",
        /// How much at most:
        FrequencyCap = "frequency_cap",
    }
}

/// How often somebody wants to get mail, by the clock of their zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frequency {
    /// When it is published.
    #[default]
    AtOnce,
    /// Once a day.
    Daily {
        /// The full hour, 0 to 23.
        hour: u8,
    },
    /// Once a week.
    Weekly {
        /// The day.
        day: Weekday,
        /// The full hour, 0 to 23.
        hour: u8,
    },
}

/// Whether there is room below a frequency cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Now,
    /// From then on, unless something else takes it.
    At(OffsetDateTime),
    /// Not for longer than the cap counts over: nobody wants it any more.
    Never,
}

/// By how much something comes before what matters less to its reader by one, when both wait for room.
const HEAD_START: Duration = Duration::SECOND;

/// Something waits for room for as long as the cap counts over, and for this much more: what was sent a moment after that leaves room a moment later.
const A_LITTLE_LONGER: Duration = Duration::HOUR;

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    weights: BTreeMap<Uuid, u8>,
    frequency: Frequency,
    quiet_hours: Option<QuietHours>,
    zone: Option<Zone>,
    language: Option<Language>,
    cap: Option<Cap>,
}

impl Preferences {
    /// The greatest weight of a topic; 0 is the least.
    pub const WEIGHT_MAX: u8 = 10;
    /// The weight of a topic, or of something about none, that they have not weighed.
    pub const WEIGHT_UNSAID: u8 = 5;
    /// The most topics that are weighed.
    pub const WEIGHTS_MAX: usize = 200;

    /// How much each topic matters to them, as far as they said.
    pub fn weights(&self) -> &BTreeMap<Uuid, u8> {
        &self.weights
    }

    /// How much something about these topics matters to them: as much as the one that matters most.
    pub fn weight_of(&self, topics: impl IntoIterator<Item = Uuid>) -> u8 {
        let weight = |topic| self.weights.get(&topic).copied();
        let weights = topics
            .into_iter()
            .map(|topic| weight(topic).unwrap_or(Self::WEIGHT_UNSAID));
        weights.max().unwrap_or(Self::WEIGHT_UNSAID)
    }

    /// How often.
    pub fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// When not.
    pub fn quiet_hours(&self) -> Option<&QuietHours> {
        self.quiet_hours.as_ref()
    }

    /// Where their clock hangs.
    pub fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }

    /// In which language.
    pub fn language(&self) -> Option<&Language> {
        self.language.as_ref()
    }

    /// How much at most.
    pub fn cap(&self) -> Option<&Cap> {
        self.cap.as_ref()
    }

    /// What is not as it was.
    pub fn changed_since(&self, before: &Self) -> Vec<Part> {
        let differs = |part: &Part| match part {
            Part::Topics => self.weights != before.weights,
            Part::Frequency => self.frequency != before.frequency,
            Part::QuietHours => self.quiet_hours != before.quiet_hours,
            Part::Zone => self.zone != before.zone,
            Part::Language => self.language != before.language,
            Part::FrequencyCap => self.cap != before.cap,
        };
        Part::ALL.iter().copied().filter(differs).collect()
    }

    /// Whether their cap has room for one more message, by when they got what they have got of late: all within [`Cap::period`]
    /// before `now`, but for notices. `waits_since`: when it was first put off; none: it has not been. What matters more to
    /// them comes first when there is room again.
    pub fn room(
        &self,
        got: &[OffsetDateTime],
        waits_since: Option<OffsetDateTime>,
        now: OffsetDateTime,
        weight: u8,
    ) -> Room {
        let Some(cap) = &self.cap else {
            return Room::Now;
        };
        let room_at = cap.room_at(got, now);
        // It may have been put off to their day at first.
        let since = waits_since.map_or(now, |since| self.not_before(since, since, false));
        let until = since + cap.period() + A_LITTLE_LONGER;
        if room_at <= now {
            Room::Now
        } else if until <= now {
            Room::Never
        } else {
            let behind = u32::from(Self::WEIGHT_MAX.saturating_sub(weight));
            Room::At(until.min(room_at + HEAD_START * behind))
        }
    }

    /// When something may go out to them that was planned at one moment and could go out at another: at their hour, and
    /// not in their quiet hours. What is urgent does not wait for their hour. The same as `now` when it may at once.
    /// What a zone that this build does not know would say is passed over.
    pub fn not_before(
        &self,
        planned_at: OffsetDateTime,
        now: OffsetDateTime,
        urgent: bool,
    ) -> OffsetDateTime {
        let Some(zone) = &self.zone else {
            return now;
        };
        let slot = match self.frequency {
            _ if urgent => None,
            Frequency::AtOnce => None,
            Frequency::Daily { hour } => zone.next(None, ClockTime::full_hour(hour), planned_at),
            Frequency::Weekly { day, hour } => {
                zone.next(Some(day), ClockTime::full_hour(hour), planned_at)
            }
        };
        let at = slot.map_or(now, |slot| slot.max(now));
        match &self.quiet_hours {
            Some(quiet) if zone.clock_at(at).is_some_and(|clock| quiet.hold_at(clock)) => {
                zone.next(None, quiet.to(), at).unwrap_or(at)
            }
            _ => at,
        }
    }
}
