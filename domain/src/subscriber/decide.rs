//! What a subscriber may do. Leaving is never refused to anybody there is.

use super::{Command, Confirmation, Event, Refusal, Remains, Subscriber};
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
        (Subscriber::Erasing(_) | Subscriber::Erased(_), Command::RequestErasure { .. })
        | (Subscriber::Erased(_), Command::CompleteErasure { .. })
        // There is nobody any more who could be written to.
        | (Subscriber::Erasing(_) | Subscriber::Erased(_), Command::Unsubscribe { .. }) => {
            Ok(vec![])
        }
        (Subscriber::Erasing(_) | Subscriber::Erased(_), Command::Resubscribe { .. }) => {
            Err(Refusal::Erased)
        }
        (
            Subscriber::Pending(profile)
            | Subscriber::Active(profile)
            | Subscriber::Unsubscribed(profile),
            Command::RequestErasure {
                basis,
                asked_at,
                restored_event_id,
            },
        ) => Ok(vec![Event::ErasureRequested {
            basis,
            asked_at,
            address_id: profile.address_id,
            address_suppression_id: profile.address_suppression_id,
            restored_event_id,
        }]),
        (Subscriber::Erasing(_), Command::CompleteErasure { shredded }) => {
            Ok(vec![Event::Erased {
                shredded,
                remains: Remains::ALL.to_vec(),
            }])
        }
        (_, Command::CompleteErasure { .. }) => Err(Refusal::ErasureNotRequested),
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
