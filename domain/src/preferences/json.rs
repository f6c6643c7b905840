//! Preferences as the log holds them, sealed: a JSON object.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Cap, CapPeriod, Frequency, Language, Preferences, QuietHours};
use crate::schedule::{ClockTime, Weekday, Zone};

impl Preferences {
    /// All of them, as [`Self::to_json`] writes them.
    pub fn to_value(&self) -> Value {
        let mut all = Map::new();
        if let Some(cap) = self.cap {
            let cap = json!({ "messages": cap.messages, "per": cap.per.as_str() });
            all.insert("frequency_cap".to_owned(), cap);
        }
        let frequency = match self.frequency {
            Frequency::AtOnce => None,
            Frequency::Daily { hour } => Some(json!({ "hour": hour, "kind": "daily" })),
            Frequency::Weekly { day, hour } => {
                Some(json!({ "day": day.as_str(), "hour": hour, "kind": "weekly" }))
            }
        };
        all.extend(frequency.map(|it| ("frequency".to_owned(), it)));
        let language = self.language.as_ref().map(|it| it.as_str().into());
        all.extend(language.map(|it: Value| ("language".to_owned(), it)));
        let quiet = self
            .quiet_hours
            .map(|quiet| json!({ "from": quiet.from().to_string(), "to": quiet.to().to_string() }));
        all.extend(quiet.map(|it| ("quiet_hours".to_owned(), it)));
        if !self.weights.is_empty() {
            let weights = self.weights.iter();
            let weights: Map<String, Value> = weights
                .map(|(id, weight)| (id.to_string(), (*weight).into()))
                .collect();
            all.insert("topics".to_owned(), weights.into());
        }
        let zone = self.zone.as_ref().map(|it| it.name().into());
        all.extend(zone.map(|it: Value| ("zone".to_owned(), it)));
        all.into()
    }

    /// A JSON object: what is not given is left out.
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    /// Takes what is on record; what this build does not know is passed over. `None` if it is no JSON object.
    pub fn recorded(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        Self::recorded_value(&value)
    }

    /// The same of what was parsed already.
    pub fn recorded_value(value: &Value) -> Option<Self> {
        let all = value.as_object()?;
        let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
        let clock = |value: &Value, key| ClockTime::parse(&text(value, key)?).ok();
        let weights = all.get("topics").and_then(Value::as_object);
        let weights = weights.into_iter().flatten().filter_map(|(id, weight)| {
            let weight = u8::try_from(weight.as_u64()?).ok()?;
            Some((Uuid::try_parse(id).ok()?, weight))
        });
        Some(Self {
            weights: weights.collect(),
            frequency: all.get("frequency").and_then(frequency).unwrap_or_default(),
            quiet_hours: all
                .get("quiet_hours")
                .and_then(|it| QuietHours::new(clock(it, "from")?, clock(it, "to")?)),
            zone: text(value, "zone").map(Zone::recorded),
            language: text(value, "language").and_then(|it| Language::parse(&it).ok()),
            cap: all.get("frequency_cap").and_then(|it| {
                Some(Cap {
                    messages: u16::try_from(it.get("messages")?.as_u64()?).ok()?,
                    per: CapPeriod::parse(&text(it, "per")?).ok()?,
                })
            }),
        })
    }
}

fn frequency(value: &Value) -> Option<Frequency> {
    let hour = u8::try_from(value.get("hour")?.as_u64()?).ok();
    let hour = hour.filter(|hour| *hour < 24)?;
    match value.get("kind")?.as_str()? {
        "daily" => Some(Frequency::Daily { hour }),
        "weekly" => Some(Frequency::Weekly {
            day: Weekday::parse(value.get("day")?.as_str()?).ok()?,
            hour,
        }),
        _ => None,
    }
}
