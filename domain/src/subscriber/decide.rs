//! What a subscriber may do. Leaving is never refused to anybody there is.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Command, Confirmation, ErasureBasis, Event, PreferencesMethod, Refusal, Remains, Shredded,
    Subscriber, What,
};
use crate::personal::Personal;
use crate::preferences::Preferences;
use crate::value::Evidence;

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
            Command::RequestErasure {
                basis,
                asked_at,
                restored_event_id,
            },
        ) => Ok(request_erasure(state, basis, asked_at, restored_event_id)),
        (state, Command::CompleteErasure { shredded }) => complete_erasure(state, shredded),
        // There is nobody any more who could be written to.
        (Subscriber::Erasing(_) | Subscriber::Erased(_), Command::Unsubscribe { .. }) => Ok(vec![]),
        (
            Subscriber::Erasing(_) | Subscriber::Erased(_),
            Command::Resubscribe { .. } | Command::ChangePreferences { .. },
        ) => Err(Refusal::Erased),
        (state, command) => Ok(say(state, command)),
    }
}

/// What somebody says of what they get.
fn say(state: &Subscriber, command: Command) -> Vec<Event> {
    match command {
        Command::Unsubscribe {
            method,
            delivery_id,
            evidence,
            what,
        } if !says(state, what, false) => vec![Event::Unsubscribed {
            method,
            delivery_id,
            evidence: evidence.map(Personal::Known),
            what,
        }],
        Command::Resubscribe {
            method,
            evidence,
            what,
        } if !says(state, what, true) => vec![Event::Resubscribed {
            method,
            evidence: evidence.map(Personal::Known),
            what,
        }],
        Command::ChangePreferences {
            preferences,
            method,
            evidence,
        } => change_preferences(state, preferences, method, evidence),
        // It is so already.
        _ => vec![],
    }
}

fn change_preferences(
    state: &Subscriber,
    preferences: Preferences,
    method: PreferencesMethod,
    evidence: Option<Evidence>,
) -> Vec<Event> {
    let before = state.profile().and_then(|it| it.preferences.as_ref());
    let before = before.and_then(Personal::known).cloned();
    let changed = preferences.changed_since(&before.unwrap_or_default());
    if changed.is_empty() {
        return vec![];
    }
    vec![Event::PreferencesChanged {
        preferences: Personal::Known(preferences),
        changed,
        method,
        evidence: evidence.map(Personal::Known),
    }]
}

/// Who is being erased, or was, is not asked for twice.
fn request_erasure(
    state: &Subscriber,
    basis: ErasureBasis,
    asked_at: Option<OffsetDateTime>,
    restored_event_id: Option<Uuid>,
) -> Vec<Event> {
    match state {
        Subscriber::Pending(profile)
        | Subscriber::Active(profile)
        | Subscriber::Unsubscribed(profile) => vec![Event::ErasureRequested {
            basis,
            asked_at,
            address_id: profile.address_id,
            address_suppression_id: profile.address_suppression_id,
            restored_event_id,
        }],
        Subscriber::Unknown | Subscriber::Erasing(_) | Subscriber::Erased(_) => vec![],
    }
}

fn complete_erasure(state: &Subscriber, shredded: Vec<Shredded>) -> Result<Vec<Event>, Refusal> {
    match state {
        Subscriber::Erasing(_) => Ok(vec![Event::Erased {
            shredded,
            remains: Remains::ALL.to_vec(),
        }]),
        Subscriber::Erased(_) => Ok(vec![]),
        _ => Err(Refusal::ErasureNotRequested),
    }
}

/// Whether that is so already. One thing can be left, or asked for, by somebody who left everything: it counts should
/// they come back.
fn says(state: &Subscriber, what: What, wanted: bool) -> bool {
    match what {
        What::Everything => matches!(state, Subscriber::Unsubscribed(_)) != wanted,
        what => state
            .profile()
            .is_some_and(|profile| profile.choices.says(what, wanted)),
    }
}
