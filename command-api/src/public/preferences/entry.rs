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

    pub(super) fn saw_topic(&self, id: Uuid) -> bool {
        self.names("offered_topic", id)
    }

    pub(super) fn wants_topic(&self, id: Uuid) -> bool {
        self.names("topic", id)
    }

    pub(super) fn saw_channel(&self, id: Uuid) -> bool {
        self.names("offered_channel", id)
    }

    pub(super) fn wants_channel(&self, id: Uuid) -> bool {
        self.names("channel", id)
    }

    /// How much a topic matters to them, if the form says so: `Err` as none of what the page offers.
    pub(super) fn matters(&self, topic_id: Uuid) -> Option<Result<Matters, ()>> {
        let said = self.text(&format!("weight_{topic_id}"))?;
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

    /// The preferences entered. What the page does not show, or the form does not have, stays as it was.
    pub(super) fn preferences(
        &self,
        before: &Preferences,
        topics: &[Choice],
    ) -> Result<Preferences, Vec<Wrong>> {
        let weights = self.weights(before, topics);
        let was = Given::of(before);
        let entered = |name: &str, was: Option<String>| match self.has(name) {
            true => self.text(name).map(str::to_owned),
            false => was,
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
