//! Preferences as somebody gives them: texts and numbers from a form or a request.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Cap, CapPeriod, Frequency, Language, Preferences, QuietHours};
use crate::schedule::{ClockTime, Weekday, Zone};
use crate::value::Invalid;

/// What is given; what is not has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Weight by topic id.
    pub weights: Vec<(String, i64)>,
    /// `at_once`, `daily` or `weekly`.
    pub frequency: Option<String>,
    /// The full hour of what is daily or weekly.
    pub hour: Option<i64>,
    /// The day of what is weekly.
    pub day: Option<String>,
    /// `22:00`
    pub quiet_from: Option<String>,
    /// `07:00`
    pub quiet_to: Option<String>,
    /// `Europe/Berlin`
    pub zone: Option<String>,
    /// `pt-BR`
    pub language: Option<String>,
    /// The most messages.
    pub cap_messages: Option<i64>,
    /// `day` or `week`.
    pub cap_per: Option<String>,
}

impl Given {
    /// What gives these preferences.
    pub fn of(preferences: &Preferences) -> Self {
        let (frequency, day, hour) = match preferences.frequency() {
            Frequency::AtOnce => ("at_once", None, None),
            Frequency::Daily { hour } => ("daily", None, Some(hour)),
            Frequency::Weekly { day, hour } => ("weekly", Some(day), Some(hour)),
        };
        let (quiet, cap) = (preferences.quiet_hours(), preferences.cap());
        let weights = preferences.weights().iter();
        Self {
            weights: weights
                .map(|(id, weight)| (id.to_string(), i64::from(*weight)))
                .collect(),
            frequency: Some(frequency.to_owned()),
            hour: hour.map(i64::from),
            day: day.map(|day| day.to_string()),
            quiet_from: quiet.map(|quiet| quiet.from().to_string()),
            quiet_to: quiet.map(|quiet| quiet.to().to_string()),
            zone: preferences.zone().map(|zone| zone.name().to_owned()),
            language: preferences.language().map(|it| it.as_str().to_owned()),
            cap_messages: cap.map(|cap| cap.messages.into()),
            cap_per: cap.map(|cap| cap.per.to_string()),
        }
    }
}

/// A value that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where it stands: `quiet_hours/from`, `topics/ID`.
    pub field: String,
    /// What is wrong with it, and what is allowed.
    pub detail: String,
}

/// The hour and the day of who gives none.
const HOUR: u8 = 8;
const DAY: Weekday = Weekday::Monday;

impl Preferences {
    /// Reads them.
    ///
    /// # Errors
    /// Everything that is wrong, each with its field.
    pub fn parse(given: &Given) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let weights = weights(&mut wrong, &given.weights);
        let frequency = frequency(&mut wrong, given);
        let quiet_hours = quiet_hours(&mut wrong, given);
        let zone = take(&mut wrong, "zone", given.zone.as_deref(), |name| {
            Zone::parse(name).map_err(|error| Invalid::new(error.to_string()))
        });
        let language = take(&mut wrong, "language", given.language.as_deref(), |text| {
            Language::parse(text)
        });
        let cap = cap(&mut wrong, given);
        let by_the_clock = quiet_hours.is_some() || frequency != Frequency::AtOnce;
        if by_the_clock && given.zone.is_none() {
            let what =
                "is needed, to know what the clock shows: an IANA name such as `Europe/Berlin`";
            note(&mut wrong, "zone", what);
        }
        if wrong.is_empty() {
            return Ok(Self {
                weights,
                frequency,
                quiet_hours,
                zone,
                language,
                cap,
            });
        }
        Err(wrong)
    }
}

fn note(wrong: &mut Vec<Wrong>, field: &str, detail: &str) {
    wrong.push(Wrong {
        field: field.to_owned(),
        detail: detail.to_owned(),
    });
}

/// The value of what is given, if it is one.
fn take<T>(
    wrong: &mut Vec<Wrong>,
    field: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Option<T> {
    let parsed = parse(text?);
    parsed
        .map_err(|invalid| note(wrong, field, &invalid.detail))
        .ok()
}

fn weights(wrong: &mut Vec<Wrong>, given: &[(String, i64)]) -> BTreeMap<Uuid, u8> {
    let mut weights = BTreeMap::new();
    if given.len() > Preferences::WEIGHTS_MAX {
        let detail = format!("at most {} topics are weighed", Preferences::WEIGHTS_MAX);
        note(wrong, "topics", &detail);
        return weights;
    }
    for (id, weight) in given {
        let field = format!("topics/{id}");
        let in_range = u8::try_from(*weight).ok();
        let in_range = in_range.filter(|weight| *weight <= Preferences::WEIGHT_MAX);
        match (Uuid::try_parse(id), in_range) {
            (Err(_), _) => note(wrong, &field, "must be the id of a topic"),
            (_, None) => {
                let detail = format!("must be a weight of 0 to {}", Preferences::WEIGHT_MAX);
                note(wrong, &field, &detail);
            }
            (Ok(id), Some(weight)) => {
                weights.insert(id, weight);
            }
        }
    }
    weights
}

fn frequency(wrong: &mut Vec<Wrong>, given: &Given) -> Frequency {
    let hour = match given.hour {
        None => HOUR,
        Some(hour) => match u8::try_from(hour).ok().filter(|hour| *hour < 24) {
            Some(hour) => hour,
            None => {
                note(wrong, "frequency/hour", "must be a full hour of 0 to 23");
                HOUR
            }
        },
    };
    let day = given.day.as_deref();
    let day = take(wrong, "frequency/day", day, Weekday::parse).unwrap_or(DAY);
    match given.frequency.as_deref() {
        None | Some("at_once") => Frequency::AtOnce,
        Some("daily") => Frequency::Daily { hour },
        Some("weekly") => Frequency::Weekly { day, hour },
        Some(_) => {
            let detail = "must be `at_once`, `daily` or `weekly`";
            note(wrong, "frequency/kind", detail);
            Frequency::AtOnce
        }
    }
}

fn quiet_hours(wrong: &mut Vec<Wrong>, given: &Given) -> Option<QuietHours> {
    let texts = (given.quiet_from.as_deref(), given.quiet_to.as_deref());
    match texts {
        (None, None) => return None,
        (Some(_), None) => note(wrong, "quiet_hours/to", "is needed beside `from`"),
        (None, Some(_)) => note(wrong, "quiet_hours/from", "is needed beside `to`"),
        (Some(_), Some(_)) => {}
    }
    let from = take(wrong, "quiet_hours/from", texts.0, ClockTime::parse);
    let to = take(wrong, "quiet_hours/to", texts.1, ClockTime::parse);
    let (from, to) = from.zip(to)?;
    let quiet = QuietHours::new(from, to);
    if quiet.is_none() {
        let detail = "must differ from `from`: quiet hours may not last all day";
        note(wrong, "quiet_hours/to", detail);
    }
    quiet
}

fn cap(wrong: &mut Vec<Wrong>, given: &Given) -> Option<Cap> {
    let per = given.cap_per.as_deref();
    let per = take(wrong, "frequency_cap/per", per, CapPeriod::parse);
    let (messages, given_per) = (given.cap_messages, given.cap_per.is_some());
    let fits = |messages: i64| {
        let fits = u16::try_from(messages).ok();
        fits.filter(|it| (1..=Cap::MESSAGES_MAX).contains(it))
    };
    match messages {
        None if given_per => {
            note(wrong, "frequency_cap/messages", "is needed beside `per`");
            None
        }
        None => None,
        Some(number) => match fits(number) {
            Some(messages) if !given_per => Some(Cap {
                messages,
                per: CapPeriod::Day,
            }),
            Some(messages) => per.map(|per| Cap { messages, per }),
            None => {
                let detail = format!("must be 1 to {}", Cap::MESSAGES_MAX);
                note(wrong, "frequency_cap/messages", &detail);
                None
            }
        },
    }
}
