//! What an administrator may do with an API key.

use super::{ApiKey, Command, Event, Refusal, SECRETS_MAX, Secret, Shut};

pub(super) fn decide(state: &ApiKey, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (
            ApiKey::Unknown,
            Command::Create {
                card,
                secret,
                prefix,
            },
        ) => Ok(vec![Event::Created {
            card,
            secret,
            prefix,
        }]),
        (_, Command::Create { .. }) => Err(Refusal::Exists),
        (ApiKey::Unknown, _) => Err(Refusal::NotFound),
        (ApiKey::Revoked { .. }, Command::Rotate { .. }) => Err(Refusal::Revoked),
        (
            ApiKey::Issued { current, .. },
            Command::Rotate {
                hash,
                previous_until,
                expires_at,
                prefix,
                at,
            },
        ) => {
            let living = state.secrets(at).map_err(shut)?;
            // Those that end at once leave room.
            if previous_until.is_some_and(|it| it > at) && living.len() >= SECRETS_MAX {
                return Err(Refusal::TooManySecrets);
            }
            let until = expires_at.unwrap_or(current.until);
            Ok(vec![Event::Rotated {
                secret: Secret { hash, until },
                previous_until,
                prefix,
            }])
        }
        (ApiKey::Issued { .. }, Command::Revoke { reason }) => Ok(vec![Event::Revoked { reason }]),
        (ApiKey::Revoked { .. }, Command::Revoke { .. }) => Ok(vec![]),
    }
}

fn shut(why: Shut) -> Refusal {
    match why {
        Shut::Unknown => Refusal::NotFound,
        Shut::Revoked => Refusal::Revoked,
        Shut::Expired => Refusal::Expired,
    }
}
