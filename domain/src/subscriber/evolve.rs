//! What a subscriber is after an event. An event that does not fit changes nothing.

use super::{Choices, ConfirmMethod, Confirmation, Event, Profile, Subscriber, What};

pub(super) fn evolve(state: Subscriber, event: &Event) -> Subscriber {
    match (state, event) {
        (Subscriber::Unknown, Event::SignedUp { .. }) => signed_up(event),
        (Subscriber::Pending(profile), Event::Confirmed { method, .. }) => {
            subscribed(confirmed(profile, *method))
        }
        (Subscriber::Unsubscribed(profile), Event::Confirmed { method, .. }) => {
            Subscriber::Unsubscribed(confirmed(profile, *method))
        }
        (
            Subscriber::Pending(profile)
            | Subscriber::Active(profile)
            | Subscriber::Unsubscribed(profile),
            Event::Unsubscribed {
                what: What::Everything,
                ..
            },
        ) => Subscriber::Unsubscribed(Profile {
            departures: profile.departures.saturating_add(1),
            ..profile
        }),
        (
            Subscriber::Unsubscribed(profile),
            Event::Resubscribed {
                what: What::Everything,
                ..
            },
        ) => subscribed(profile),
        (state, Event::Unsubscribed { what, .. }) => {
            with(state, |profile| profile.choices.say(*what, false))
        }
        (state, Event::Resubscribed { what, .. }) => {
            with(state, |profile| profile.choices.say(*what, true))
        }
        (state, Event::PreferencesChanged { preferences, .. }) => with(state, |profile| {
            profile.preferences = Some(preferences.clone());
        }),
        (state, Event::ContactChanged { .. }) => with(state, |profile| moved(profile, event)),
        (
            Subscriber::Pending(profile)
            | Subscriber::Active(profile)
            | Subscriber::Unsubscribed(profile),
            Event::ErasureRequested { .. },
        ) => Subscriber::Erasing(profile),
        (Subscriber::Erasing(profile), Event::Erased { .. }) => Subscriber::Erased(profile),
        (state, _) => state,
    }
}

fn signed_up(event: &Event) -> Subscriber {
    let Event::SignedUp {
        email,
        name,
        attributes,
        address_id,
        address_suppression_id,
        domain_suppression_id,
        source,
        import_id,
        confirmation,
        consent,
        ..
    } = event
    else {
        return Subscriber::Unknown;
    };
    subscribed(Profile {
        email: email.clone(),
        name: name.clone(),
        attributes: attributes.clone(),
        address_id: *address_id,
        address_suppression_id: *address_suppression_id,
        domain_suppression_id: *domain_suppression_id,
        source: *source,
        import_id: *import_id,
        consent: consent.clone(),
        confirmed: *confirmation == Confirmation::NotRequired,
        confirmed_by_link: false,
        choices: Choices::default(),
        preferences: None,
        departures: 0,
        former: Vec::new(),
    })
}

fn moved(profile: &mut Profile, event: &Event) {
    if let Event::ContactChanged {
        email,
        address_id,
        address_suppression_id,
        domain_suppression_id,
        former,
        ..
    } = event
    {
        profile.email = email.clone();
        profile.address_id = *address_id;
        profile.address_suppression_id = *address_suppression_id;
        profile.domain_suppression_id = *domain_suppression_id;
        profile.former.push(*former);
    }
}

fn confirmed(profile: Profile, method: ConfirmMethod) -> Profile {
    Profile {
        confirmed: true,
        confirmed_by_link: profile.confirmed_by_link || method == ConfirmMethod::Link,
        ..profile
    }
}

/// Coming back does not stand in for a confirmation that was never given.
fn subscribed(profile: Profile) -> Subscriber {
    if profile.confirmed {
        Subscriber::Active(profile)
    } else {
        Subscriber::Pending(profile)
    }
}

/// Of whoever is being erased nothing changes any more.
fn with(mut state: Subscriber, change: impl FnOnce(&mut Profile)) -> Subscriber {
    if let Subscriber::Pending(profile)
    | Subscriber::Active(profile)
    | Subscriber::Unsubscribed(profile) = &mut state
    {
        change(profile);
    }
    state
}
