//! What an API key is after an event. An event that does not fit changes nothing.

use super::{ApiKey, Event, Secret};

pub(super) fn evolve(state: ApiKey, event: &Event) -> ApiKey {
    match (state, event) {
        (ApiKey::Unknown, Event::Created { card, secret, .. }) => ApiKey::Issued {
            card: card.clone(),
            current: *secret,
            earlier: Vec::new(),
        },
        (
            ApiKey::Issued {
                card,
                current,
                mut earlier,
            },
            Event::Rotated {
                secret,
                previous_until,
                ..
            },
        ) => {
            earlier.push(current);
            ApiKey::Issued {
                card,
                current: *secret,
                // Giving the key more time gives none to an earlier secret.
                earlier: previous_until.map_or_else(Vec::new, |end| {
                    let ending = |it: Secret| Secret {
                        until: it.until.min(end),
                        ..it
                    };
                    earlier.into_iter().map(ending).collect()
                }),
            }
        }
        (ApiKey::Issued { card, .. }, Event::Revoked { .. }) => ApiKey::Revoked { card },
        (state, _) => state,
    }
}
