//! Which subscribers are exported, and how the file is written.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::subscriber_profile::listed::{State, Which};

/// How the file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A table, which `POST /api/v1/imports` knows by its header line.
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/jsonl",
        }
    }

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// Which subscribers, and how. All that is said counts; who was erased is never among them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// csv unless you say otherwise.
    #[param(inline)]
    pub format: Option<Format>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those who want this topic, by their own word or by what the topic is without one, whatever their state.
    pub topic: Option<Uuid>,
    /// Only those whom this segment picks, as it is when the export begins.
    pub segment: Option<Uuid>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those with this attribute: its key, a colon, and its value as text, number, `true` or `false`, or
    /// `2026-03-01`. URLs stand in logs: look for what tells who somebody is by `POST /api/v1/subscribers/find`.
    #[param(example = "city:London")]
    pub attribute: Option<String>,
    /// Only those to whom nothing may be sent, or only the others.
    pub suppressed: Option<bool>,
    /// A `Log-Position`: the answer waits for the views to reach it. 503 if they do not in time.
    #[param(minimum = 0)]
    pub at_least: Option<i64>,
}

impl Wanted {
    /// The same of the list.
    pub(super) fn which(&self) -> Which {
        Which {
            state: self.state,
            topic: self.topic,
            segment: self.segment,
            tag: self.tag.clone(),
            attribute: self.attribute.clone(),
            suppressed: self.suppressed,
            cursor: None,
            limit: None,
            at_least: self.at_least,
        }
    }
}
