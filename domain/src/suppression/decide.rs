//! When a reason is added or lifted.

use super::{Command, Event, Reason, Refusal, Suppression};
use crate::personal::Personal;

pub(super) fn decide(state: &Suppression, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (Suppression::Suppressed { reasons, .. }, Command::Add { reason, .. })
            if reasons.contains(&reason) =>
        {
            Ok(vec![])
        }
        (
            _,
            Command::Add {
                scope,
                reason,
                delivery_id,
                value,
            },
        ) => Ok(vec![Event::Added {
            scope,
            reason,
            delivery_id,
            value: value.map(Personal::Known),
        }]),
        (Suppression::Clear, Command::Lift { .. }) => Ok(vec![]),
        (Suppression::Suppressed { reasons, .. }, Command::Lift { reasons: lifted }) => {
            let lifted: Vec<Reason> = reasons
                .iter()
                .copied()
                .filter(|r| lifted.contains(r))
                .collect();
            if lifted.is_empty() {
                return Ok(vec![]);
            }
            Ok(vec![Event::Lifted { reasons: lifted }])
        }
    }
}
