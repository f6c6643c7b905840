//! Who said that somebody left, of whom no more than an address is known: a file, or they themselves.

use tidings_domain::suppression::Reason;
use tidings_proto::Event;

use crate::event::Recorded;

/// The actor of what a file of subscribers leads to.
pub const IMPORTER: &str = "system:import";

/// Whether somebody else than an import said that they left, and nothing has put an end to that. `history`: all of the
/// suppression's stream. Only then can nobody lift it but they themselves.
pub fn is_their_word(history: &[Recorded]) -> bool {
    !their_words(history).is_empty()
}

/// Each time they said so, in order, since something last put an end to that.
pub fn their_words(history: &[Recorded]) -> Vec<&Recorded> {
    let left = Reason::Unsubscribed.as_str();
    let mut theirs = Vec::new();
    for event in history {
        match event.decode() {
            Ok(Event::SuppressionAdded(it)) if it.reason == left && event.actor != IMPORTER => {
                theirs.push(event);
            }
            Ok(Event::SuppressionLifted(it)) if it.reasons.iter().any(|it| *it == left) => {
                theirs.clear();
            }
            _ => {}
        }
    }
    theirs
}
