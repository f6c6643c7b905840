//! The class a delivery is in, and which of two outcomes counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every planned delivery is in exactly one class.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Not settled yet, also while it is attempted.
    Pending,
    /// The receiving side took it.
    Sent,
    /// Given up.
    Failed,
    /// The receiver must not get it.
    Suppressed,
    /// Its publication was cancelled before it went out.
    Cancelled,
    /// Nobody knows whether the receiver has it; it is not tried again.
    InDoubt,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Sent,
        Self::Failed,
        Self::Suppressed,
        Self::Cancelled,
        Self::InDoubt,
    ];

    /// Its name in views and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
            Self::Cancelled => "cancelled",
            Self::InDoubt => "in_doubt",
        }
    }

    /// The class of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

/// What settles a delivery, if nothing stronger is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) class: Class,
    /// The attempt it names; 0: none.
    pub(super) attempt: i32,
}

impl Outcome {
    /// Of two outcomes on record the greater one counts, the earlier of equals. A total order, so that it
    /// does not matter how a history was cut before its parts were merged. `Sent` by any attempt wins for
    /// ever; a delivery that was suppressed or cancelled was settled before any late refusal; a refusal
    /// ends the doubt about its own attempt; and a later attempt's outcome counts more than an earlier one's.
    pub(super) fn strength(self) -> (u8, i32, u8) {
        match self.class {
            Class::Pending => (0, 0, 0),
            Class::InDoubt => (1, self.attempt, 0),
            Class::Failed if self.attempt > 0 => (1, self.attempt, 1),
            Class::Failed => (2, 0, 0),
            Class::Suppressed | Class::Cancelled => (3, 0, 0),
            Class::Sent => (4, 0, 0),
        }
    }

    /// Whether it settles a delivery whose last attempt is `attempts`: an outcome closes only the attempt
    /// it names, so late word on an earlier one leaves the delivery open.
    pub(super) fn settles(self, attempts: i32) -> bool {
        match self.class {
            Class::Pending => false,
            Class::InDoubt | Class::Failed => self.attempt == 0 || self.attempt == attempts,
            Class::Sent | Class::Suppressed | Class::Cancelled => true,
        }
    }
}
