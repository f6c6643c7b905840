//! What was said of a delivery afterwards, and which of two words is the graver.

use serde::{Deserialize, Serialize};
use tidings_event_store::UnderstandError;
use tidings_proto::Event;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::fields::Fields;

/// What the receiving side said afterwards. No class: it counts beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// The receiver's own server has it.
    Delivered,
    /// It came back.
    Bounced,
    /// The receiver called it spam.
    Complained,
}

impl Feedback {
    /// Its name in views and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Delivered, Self::Bounced, Self::Complained]
            .into_iter()
            .find(|it| it.as_str() == name)
    }

    /// Of two words the greater one is kept. `bounce`: `hard` or `soft`.
    pub(super) fn gravity(self, bounce: Option<&str>) -> u8 {
        match self {
            Self::Delivered => 1,
            Self::Bounced if bounce != Some("hard") => 2,
            Self::Bounced => 3,
            Self::Complained => 4,
        }
    }
}

/// What one event says.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) feedback: Feedback,
    pub(super) at: Option<OffsetDateTime>,
    pub(super) reason: &'a str,
    pub(super) bounce: &'a str,
}

/// What an event says afterwards, if it does.
pub(super) fn said(event: &Event) -> Result<Option<Said<'_>>, UnderstandError> {
    let (feedback, at_us, reason, bounce) = match event {
        Event::DeliveryDelivered(it) => (Feedback::Delivered, it.reported_at_us, "", ""),
        Event::DeliveryBounced(it) => {
            let (reason, class) = (it.reason.as_str(), it.class.as_str());
            (Feedback::Bounced, it.reported_at_us, reason, class)
        }
        Event::DeliveryComplained(it) => {
            let kind = it.kind.as_str();
            (Feedback::Complained, it.reported_at_us, kind, "")
        }
        _ => return Ok(None),
    };
    Ok(Some(Said {
        feedback,
        at: Fields::of(event).instant("reported_at_us", at_us)?,
        reason,
        bounce,
    }))
}
