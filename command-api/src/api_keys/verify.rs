//! Who comes in with an API key: its stream says so, and what was read of it is believed for a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tidings_domain::api_key::{ApiKey, Card, Secret, Shut};
use tidings_domain::token::ApiKeyToken;
use tidings_event_store::{RETRY_AFTER, Store};
use tidings_service::auth::{KEY_ISSUER, KeyGrant, Principal, Role, VerifyKey};
use tidings_service::clock::Monotonic;
use tidings_service::problem::chain;
use tidings_service::{Clock, Problem};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::uses::{KeyUses, Noted};

/// What was read of a key is believed for so long: a revocation anywhere counts everywhere after it.
const BELIEVED_FOR: Duration = Duration::from_secs(1);
/// Keys nobody has come with before that are looked up at the same time: whoever makes up ids leaves the database's
/// sessions to others.
const STRANGERS_MAX: usize = 4;
/// Longer than looking a key up ever takes where the database answers.
const TURN_WITHIN: Duration = Duration::from_secs(2);
/// Keys remembered; past it, memory starts over. Only keys that exist are.
const REMEMBERED_MAX: usize = 10_000;

/// The keys of one log, as this process knows them. A cheap handle.
#[derive(Clone)]
pub(crate) struct ApiKeys(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    known: Mutex<Known>,
    strangers: Semaphore,
    noted: Noted,
}

#[derive(Default)]
struct Known {
    keys: HashMap<Uuid, Read>,
    /// How often something was forgotten: what was read before that is not remembered.
    forgotten: u64,
}

struct Read {
    key: Arc<ApiKey>,
    /// Before it was asked for.
    at: Monotonic,
}

impl ApiKeys {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            store,
            noted: Noted::new(clock.clone()),
            clock,
            known: Mutex::default(),
            strangers: Semaphore::new(STRANGERS_MAX),
        }))
    }

    /// How every room lets in with keys.
    pub(crate) fn verifier(&self) -> VerifyKey {
        let keys = self.clone();
        Arc::new(move |token| {
            let keys = keys.clone();
            Box::pin(async move { keys.verify(&token).await })
        })
    }

    /// Writes down when keys are used.
    pub(crate) fn uses(&self) -> KeyUses {
        KeyUses::new(self.0.store.clone(), self.0.noted.clone())
    }

    /// The key may have changed: what is remembered of it counts no more.
    pub(crate) fn forget(&self, id: Uuid) {
        let mut known = self.known();
        known.keys.remove(&id);
        known.forgotten += 1;
    }

    /// Who presents a token.
    ///
    /// # Errors
    /// 401 that says what is wrong with it, 503 while the log cannot be asked.
    async fn verify(&self, token: &str) -> Result<Principal, Problem> {
        let token = ApiKeyToken::parse(token).map_err(|error| invalid(&error.to_string()))?;
        let key = self.key(token.key_id).await?;
        let secrets = key.secrets(self.0.clock.now()).map_err(shut)?;
        let place = place_of(&token.hash(), &secrets).ok_or_else(|| {
            invalid("the API key's secret is not valid any more, or never was: it may have been rotated")
        })?;
        let card = key.card().ok_or_else(|| shut(Shut::Unknown))?;
        self.0.noted.note(token.key_id, place == 0);
        Ok(principal(token.key_id, card))
    }

    /// A place among those that are looked up for the first time, if there is one before whoever asks has waited too long.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let turn = tokio::time::timeout(TURN_WITHIN, self.0.strangers.acquire()).await;
        let turn = turn.map_err(|error| away(&error))?;
        turn.map_err(|error| away(&error))
    }

    async fn key(&self, id: Uuid) -> Result<Arc<ApiKey>, Problem> {
        let Inner { store, clock, .. } = &*self.0;
        // A database that has gone back may have lost a revocation.
        store.log().alive().map_err(|error| away(&error))?;
        let (is_stranger, forgotten) = {
            let known = self.known();
            let read = known.keys.get(&id);
            if let Some(read) = read.filter(|it| clock.age(it.at) < BELIEVED_FOR) {
                return Ok(Arc::clone(&read.key));
            }
            (read.is_none(), known.forgotten)
        };
        // Held until it is looked up.
        let _turn = match is_stranger {
            true => Some(self.turn().await?),
            false => None,
        };
        let at = clock.monotonic();
        let loaded = match store.load::<ApiKey>(id).await {
            Ok(loaded) => loaded,
            Err(error) if error.is_wrong_stream() => return Err(shut(Shut::Unknown)),
            Err(error) if error.is_temporary() => return Err(away(&error)),
            Err(error) => return Err(Problem::internal(&error)),
        };
        let key = Arc::new(loaded.state);
        let mut known = self.known();
        if *key != ApiKey::Unknown && known.forgotten == forgotten {
            if known.keys.len() >= REMEMBERED_MAX {
                known.keys.clear();
            }
            let key = Arc::clone(&key);
            known.keys.insert(id, Read { key, at });
        }
        Ok(key)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where among the secrets this one is. It takes the same time whichever it is, or none.
fn place_of(hash: &[u8; 32], secrets: &[Secret]) -> Option<usize> {
    let mut place = None;
    for (n, secret) in secrets.iter().enumerate() {
        if verify_slices_are_equal(hash, &secret.hash).is_ok() {
            place = Some(n);
        }
    }
    place
}

fn principal(id: Uuid, card: &Card) -> Principal {
    let roles = card.roles.iter();
    Principal {
        issuer: KEY_ISSUER.to_owned(),
        subject: id.hyphenated().to_string(),
        // A role of a later version is none here.
        roles: roles.filter_map(|it| Role::parse(it.as_str())).collect(),
        key: Some(KeyGrant {
            name: card.name.to_string(),
            scopes: card.scopes.iter().map(ToString::to_string).collect(),
        }),
    }
}

fn shut(why: Shut) -> Problem {
    let what = match why {
        Shut::Unknown => "have one made",
        Shut::Revoked | Shut::Expired => "have another one made",
    };
    invalid(&format!("{why}; {what} with `tidings api-keys create`"))
}

fn invalid(detail: &str) -> Problem {
    Problem::unauthorized(Some("invalid_token"), crate::refusal::sentence(detail))
}

fn away(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::warn!(error = %chain(error), "an API key cannot be verified");
    let detail =
        "Whether the API key is valid cannot be found out at the moment, so it lets nobody in.";
    Problem::unavailable(detail, RETRY_AFTER.as_secs(), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;

    #[test]
    fn a_secret_is_found_among_several_and_no_other_is() {
        let secret = |n| Secret {
            hash: [n; 32],
            until: OffsetDateTime::UNIX_EPOCH,
        };
        let secrets = [secret(1), secret(2)];
        assert_eq!(place_of(&[1; 32], &secrets), Some(0));
        assert_eq!(place_of(&[2; 32], &secrets), Some(1));
        assert_eq!(place_of(&[3; 32], &secrets), None);
        assert_eq!(place_of(&[1; 32], &[]), None);
    }
}
