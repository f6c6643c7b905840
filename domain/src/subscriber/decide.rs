//! What a subscriber may do. Leaving is never refused to anybody there is.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Command, ConfirmMethod, Confirmation, ErasureBasis, Event, FormerAddress, PreferencesMethod,
    Profile, Refusal, Remains, ResubscribeMethod, Shredded, Subscriber, What,
};
use crate::personal::Personal;
use crate::preferences::Preferences;
use crate::value::{Code, Evidence};

/// What `SignedUp.confirmation` says of whoever has yet to confirm.
const REQUIRED: &str = "required";

pub(super) fn decide(state: &Subscriber, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (Subscriber::Unknown, command @ Command::SignUp { .. }) => Ok(sign_up(command)),
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
            Command::Resubscribe { .. }
            | Command::ChangePreferences { .. }
            | Command::ChangeContact { .. }
            | Command::Confirm { .. }
            | Command::Vouch { .. },
        ) => Err(Refusal::Erased),
        // Not silence, which would pass for mail that goes out. A restore says what it knows, whatever it meets.
        (
            Subscriber::Pending(_),
            Command::Resubscribe {
                method: ResubscribeMethod::Api | ResubscribeMethod::Import | ResubscribeMethod::Page,
                what: What::Everything,
                ..
            },
        ) => Err(Refusal::NotConfirmed),
        (
            state,
            Command::Confirm {
                delivery_id,
                departures,
                address_suppression_id,
                evidence,
            },
        ) => confirm(
            state,
            delivery_id,
            (departures, address_suppression_id),
            evidence,
        ),
        (Subscriber::Pending(_), Command::Vouch { method, consent }) => {
            Ok(vec![Event::Confirmed {
                method,
                delivery_id: None,
                consent,
                evidence: None,
            }])
        }
        (
            Subscriber::Pending(profile)
            | Subscriber::Active(profile)
            | Subscriber::Unsubscribed(profile),
            command @ Command::ChangeContact { .. },
        ) => change_contact(profile, command),
        (state, command) => Ok(say(state, command)),
    }
}

/// What was agreed to stays with the person: whoever gives the new address answers for it.
fn change_contact(profile: &Profile, command: Command) -> Result<Vec<Event>, Refusal> {
    let Command::ChangeContact {
        email,
        address_id,
        address_suppression_id,
        domain_suppression_id,
        method,
    } = command
    else {
        return Ok(vec![]);
    };
    if profile.email.known() == Some(&email) {
        return Ok(vec![]);
    }
    if profile.former.len() >= Profile::FORMER_MAX {
        return Err(Refusal::MovedTooOften);
    }
    Ok(vec![Event::ContactChanged {
        email: Personal::Known(email),
        address_id,
        address_suppression_id,
        domain_suppression_id,
        former: FormerAddress {
            address_id: profile.address_id,
            address_suppression_id: profile.address_suppression_id,
        },
        method,
    }])
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

fn sign_up(command: Command) -> Vec<Event> {
    let Command::SignUp {
        email,
        name,
        attributes,
        address_id,
        address_suppression_id,
        domain_suppression_id,
        source,
        import_id,
        confirm,
        consent,
        evidence,
    } = command
    else {
        return vec![];
    };
    vec![Event::SignedUp {
        email: Personal::Known(email),
        name: name.map(Personal::Known),
        attributes: attributes.filter(|a| !a.is_empty()).map(Personal::Known),
        address_id,
        address_suppression_id,
        domain_suppression_id,
        source,
        import_id,
        confirmation: match confirm {
            true => Confirmation::Pending(Code::from_static(REQUIRED)),
            false => Confirmation::NotRequired,
        },
        consent,
        evidence: evidence.map(Personal::Known),
    }]
}

/// Who gets mail already has said all there is to say. What they were asked before they left they do not get to answer
/// any more: the mail may lie around for long. Nor does the mailbox of an address they gave up speak for the one they have.
fn confirm(
    state: &Subscriber,
    delivery_id: Uuid,
    (departures, asked_at): (u32, Uuid),
    evidence: Option<Evidence>,
) -> Result<Vec<Event>, Refusal> {
    let profile = state.profile().ok_or(Refusal::NotFound)?;
    if profile.departures != departures {
        return Err(Refusal::LeftSince);
    }
    if profile.address_suppression_id != asked_at {
        return Err(Refusal::MovedSince);
    }
    let evidence = evidence.map(Personal::Known);
    let confirmed = Event::Confirmed {
        method: ConfirmMethod::Link,
        delivery_id: Some(delivery_id),
        consent: None,
        evidence: evidence.clone(),
    };
    Ok(match state {
        Subscriber::Pending(_) => vec![confirmed],
        Subscriber::Unsubscribed(_) => {
            let method = ResubscribeMethod::Page;
            vec![
                confirmed,
                Event::Resubscribed {
                    method,
                    evidence,
                    what: What::Everything,
                },
            ]
        }
        _ => vec![],
    })
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
