//! What stands after an event.

use super::{Event, Suppression};

pub(super) fn evolve(state: Suppression, event: &Event) -> Suppression {
    match (state, event) {
        (Suppression::Clear, Event::Added { scope, reason, .. }) => Suppression::Suppressed {
            scope: *scope,
            reasons: vec![*reason],
        },
        (Suppression::Suppressed { scope, mut reasons }, Event::Added { reason, .. }) => {
            if !reasons.contains(reason) {
                reasons.push(*reason);
            }
            Suppression::Suppressed { scope, reasons }
        }
        (Suppression::Clear, Event::Lifted { .. }) => Suppression::Clear,
        (Suppression::Suppressed { scope, mut reasons }, Event::Lifted { reasons: lifted }) => {
            reasons.retain(|reason| !lifted.contains(reason));
            if reasons.is_empty() {
                return Suppression::Clear;
            }
            Suppression::Suppressed { scope, reasons }
        }
    }
}
