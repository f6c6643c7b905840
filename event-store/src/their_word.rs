//! Who said that somebody left, of whom no more than an address is known: a file, or they themselves.

use tidings_domain::suppression::Reason;
use tidings_proto::Event;

use crate::event::Recorded;

/// The actor of what a file of subscribers leads to.
pub const IMPORTER: &str = "system:import";

/// Whether somebody else than an import said that they left, and nothing has put an end to that. `history`: all of the
/// suppression's stream. Only then can nobody lift it but they themselves.
pub fn is_their_word(history: &[Recorded]) -> bool {
    their_word(history).is_some()
}

/// The last time they said so; `None`: they did not, or something has put an end to that.
pub fn their_word(history: &[Recorded]) -> Option<&Recorded> {
    let left = Reason::Unsubscribed.as_str();
    let mut theirs = None;
    for event in history {
        match event.decode() {
            Ok(Event::SuppressionAdded(it)) if it.reason == left && event.actor != IMPORTER => {
                theirs = Some(event);
            }
            Ok(Event::SuppressionLifted(it)) if it.reasons.iter().any(|it| *it == left) => {
                theirs = None;
            }
            _ => {}
        }
    }
    theirs
}
