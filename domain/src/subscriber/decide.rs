//! What a subscriber may do. Leaving is never refused to anybody there is.

use super::{Command, Confirmation, Event, Refusal, Subscriber};
use crate::personal::Personal;

pub(super) fn decide(state: &Subscriber, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (
            Subscriber::Unknown,
            Command::SignUp {
                email,
                name,
                attributes,
                address_id,
                address_suppression_id,
                domain_suppression_id,
                source,
                import_id,
            },
        ) => Ok(vec![Event::SignedUp {
            email: Personal::Known(email),
            name: name.map(Personal::Known),
            attributes: attributes.filter(|a| !a.is_empty()).map(Personal::Known),
            address_id,
            address_suppression_id,
            domain_suppression_id,
            source,
            import_id,
            confirmation: Confirmation::NotRequired,
        }]),
        (_, Command::SignUp { .. }) => Err(Refusal::AlreadySignedUp),
        (Subscriber::Unknown, _) => Err(Refusal::NotFound),
        (
            state,
            Command::Unsubscribe {
                method,
                delivery_id,
                evidence,
                topic_id,
            },
        ) => {
            if has_left(state, topic_id) {
                return Ok(vec![]);
            }
            Ok(vec![Event::Unsubscribed {
                method,
                delivery_id,
                evidence: evidence.map(Personal::Known),
                topic_id,
            }])
        }
        (Subscriber::Unsubscribed(_), Command::Resubscribe { method, evidence }) => {
            Ok(vec![Event::Resubscribed {
                method,
                evidence: evidence.map(Personal::Known),
            }])
        }
        (_, Command::Resubscribe { .. }) => Ok(vec![]),
    }
}

/// A topic can be left by somebody who left everything: it then stays left should they come back.
fn has_left(state: &Subscriber, topic_id: Option<uuid::Uuid>) -> bool {
    match topic_id {
        None => matches!(state, Subscriber::Unsubscribed(_)),
        Some(topic) => state
            .profile()
            .is_some_and(|profile| profile.left_topics.contains(&topic)),
    }
}
