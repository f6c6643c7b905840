//! What a reader has entered.

use std::collections::BTreeMap;

use actix_web::web::Query;
use tidings_domain::preferences::{Given, Preferences, Wrong};
use uuid::Uuid;

use super::matters::Matters;
use super::shown::Choice;

/// Weight by topic.
type Weights = BTreeMap<Uuid, u8>;

/// Which button was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// That of the form.
    Save,
    /// Nothing more is to come.
    Leave,
    /// It is to come again.
    ComeBack,
}

/// What was done with a box since it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It was not shown, or is as it was.
    Untouched,
    Ticked,
    /// It is not ticked, and was, or may have been.
    Cleared,
    /// It is ticked, and may have been all along: a page of before these fields, or no page at all, says no more.
    Unclear,
}

/// The fields that say one thing together: once one of them was changed, all count as they were seen.
const PARTS: [&[&str]; 3] = [
    &["frequency", "hour", "day"],
    &["quiet_from", "quiet_to"],
    &["cap_messages", "cap_per"],
];

/// The field that tells what another one held when it was shown.
pub(super) fn was(name: &str) -> String {
    format!("was_{name}")
}

/// The field that tells how a box was shown.
pub(super) fn box_was(name: &str, id: Uuid) -> String {
    was(&format!("{name}_{id}"))
}

/// How a box was shown.
pub(super) fn on_or_off(ticked: bool) -> &'static str {
    if ticked { "on" } else { "off" }
}

/// The fields of the form, as they came.
#[derive(Debug)]
pub(super) struct Entry {
    /// None: it is none that the page has.
    pub(super) wish: Option<Wish>,
    fields: Vec<(String, String)>,
}

impl Entry {
    /// Reads a form. What is none comes to nothing: then nothing was seen and nothing is changed but to what is said.
    pub(super) fn read(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let fields = Query::<Vec<(String, String)>>::from_query(text.trim());
        let fields = fields.map_or_else(|_| Vec::new(), Query::into_inner);
        let button = fields.iter().find(|(name, _)| name == "do");
        let wish = match button.map(|(_, value)| value.as_str()) {
            None | Some("save") => Some(Wish::Save),
            Some("leave") => Some(Wish::Leave),
            Some("back") => Some(Wish::ComeBack),
            Some(_) => None,
        };
        Self { wish, fields }
    }

    /// Whether it is no form, or one without a field.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The value of a field, if it is filled in.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(it, _)| it == name);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Whether the form has a field at all, filled in or not.
    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(it, _)| it == name)
    }

    fn names(&self, name: &str, id: Uuid) -> bool {
        let is = |value: &str| Uuid::try_parse(value).is_ok_and(|it| it == id);
        self.fields
            .iter()
            .any(|(it, value)| it == name && is(value))
    }

    /// What was done with the box of a topic or channel.
    pub(super) fn mark(&self, name: &str, id: Uuid) -> Mark {
        if !self.names(&format!("offered_{name}"), id) {
            return Mark::Untouched;
        }
        let ticked = self.names(name, id);
        match self.text(&box_was(name, id)) {
            Some(was) if was == on_or_off(ticked) => Mark::Untouched,
            Some(was) if ticked && was == on_or_off(false) => Mark::Ticked,
            _ if ticked => Mark::Unclear,
            _ => Mark::Cleared,
        }
    }

    /// How often they had left everything when they were shown the button to come back.
    pub(super) fn departures(&self) -> Option<u32> {
        self.text("departures")?.parse().ok()
    }

    /// The version of their stream that the page showed.
    pub(super) fn version(&self) -> Option<i32> {
        self.text("version")?.parse().ok()
    }

    /// Whether a field came, and not as it was shown. What does not say how that was counts as it is.
    fn is_touched(&self, name: &str) -> bool {
        let was = was(name);
        self.has(name) && !(self.has(&was) && self.text(name) == self.text(&was))
    }

    /// The text of a field whose part was touched: it counts, also if it is none.
    pub(super) fn entered(&self, name: &str) -> Option<Option<&str>> {
        let part = PARTS.iter().find(|part| part.contains(&name));
        let touched = match part {
            Some(part) => part.iter().any(|name| self.is_touched(name)),
            None => self.is_touched(name),
        };
        (touched && self.has(name)).then(|| self.text(name))
    }

    /// How much a topic matters to them, if they have said so: `Err` as none of what the page offers.
    pub(super) fn matters(&self, topic_id: Uuid) -> Option<Result<Matters, ()>> {
        let said = self.entered(&format!("weight_{topic_id}"))??;
        Some(Matters::parse(said).ok_or(()))
    }

    /// The weights entered, of the topics that the page has.
    fn weights(&self, before: &Preferences, topics: &[Choice]) -> Result<Weights, Vec<Wrong>> {
        let mut weights = before.weights().clone();
        let mut wrong = Vec::new();
        for topic in topics {
            match self.matters(topic.id) {
                None => {}
                Some(Ok(step)) => match step.weight(before.weights().get(&topic.id).copied()) {
                    Some(weight) => drop(weights.insert(topic.id, weight)),
                    None => drop(weights.remove(&topic.id)),
                },
                Some(Err(())) => wrong.push(Wrong {
                    field: format!("topics/{}", topic.id),
                    detail: "must be one of those that can be chosen".to_owned(),
                }),
            }
        }
        match wrong.is_empty() {
            true => Ok(weights),
            false => Err(wrong),
        }
    }

    /// The preferences entered. What the page does not show, or the form does not have or has as it was shown, stays.
    pub(super) fn preferences(
        &self,
        before: &Preferences,
        topics: &[Choice],
    ) -> Result<Preferences, Vec<Wrong>> {
        let weights = self.weights(before, topics);
        let was = Given::of(before);
        let entered = |name: &str, was: Option<String>| match self.entered(name) {
            Some(text) => text.map(str::to_owned),
            None => was,
        };
        // What is no number is one that no clock shows.
        let hour = entered("hour", was.hour.map(|hour| hour.to_string()));
        let hour = hour.map(|text| text.parse().unwrap_or(-1));
        // Nor is it one that caps anything.
        let messages = entered("cap_messages", was.cap_messages.map(|it| it.to_string()));
        let messages = messages.map(|text| text.parse().unwrap_or(-1));
        // The form always says in what time, also of no limit.
        let per = messages.and_then(|_| entered("cap_per", was.cap_per));
        let known = weights.as_ref().unwrap_or(before.weights()).iter();
        let parsed = Preferences::parse(&Given {
            weights: known
                .map(|(id, weight)| (id.to_string(), i64::from(*weight)))
                .collect(),
            frequency: entered("frequency", was.frequency),
            hour,
            day: entered("day", was.day),
            quiet_from: entered("quiet_from", was.quiet_from),
            quiet_to: entered("quiet_to", was.quiet_to),
            zone: entered("zone", was.zone),
            language: entered("language", was.language),
            cap_messages: messages,
            cap_per: per,
        });
        match (weights, parsed) {
            (Ok(_), parsed) => parsed,
            (Err(wrong), Ok(_)) => Err(wrong),
            (Err(wrong), Err(more)) => Err([wrong, more].concat()),
        }
    }
}
