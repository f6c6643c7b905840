//! API key events on the wire. Nothing in them is sealed.

use tidings_proto::{Event as Wire, EventMessage as _, api_key as wire, to_us};

use super::{ApiKey, Card, Event, Secret};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::value::{Code, KeyName, Scope};
use crate::wire::Fields;

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Created { .. } => wire::Created::TYPE,
        Event::Rotated { .. } => wire::Rotated::TYPE,
        Event::Revoked { .. } => wire::Revoked::TYPE,
    }
}

pub(super) fn encode(event: &Event) -> Wire {
    match event {
        Event::Created {
            card,
            secret,
            prefix,
        } => wire::Created {
            name: card.name.to_string(),
            roles: card.roles.iter().map(ToString::to_string).collect(),
            scopes: card.scopes.iter().map(ToString::to_string).collect(),
            secret_hash: secret.hash.to_vec().into(),
            expires_at_us: to_us(secret.until),
            prefix: prefix.clone(),
        }
        .into(),
        Event::Rotated {
            secret,
            previous_until,
            prefix,
        } => wire::Rotated {
            secret_hash: secret.hash.to_vec().into(),
            previous_until_us: previous_until.map_or(0, to_us),
            expires_at_us: to_us(secret.until),
            prefix: prefix.clone(),
        }
        .into(),
        Event::Revoked { reason } => wire::Revoked {
            reason: reason.to_string(),
        }
        .into(),
    }
}

pub(super) fn decode(event: &Wire) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    let secret = |hash: &[u8], until_us| {
        Ok::<_, CodecError>(Secret {
            hash: fields.digest("secret_hash", hash)?,
            until: fields.instant("expires_at_us", until_us)?,
        })
    };
    match event {
        Wire::ApiKeyCreated(e) => Ok(Event::Created {
            card: Card {
                name: KeyName::recorded(e.name.clone()),
                roles: e.roles.iter().cloned().map(Code::recorded).collect(),
                scopes: e.scopes.iter().cloned().map(Scope::recorded).collect(),
            },
            secret: secret(&e.secret_hash, e.expires_at_us)?,
            prefix: e.prefix.clone(),
        }),
        Wire::ApiKeyRotated(e) => Ok(Event::Rotated {
            secret: secret(&e.secret_hash, e.expires_at_us)?,
            previous_until: fields.optional_instant("previous_until_us", e.previous_until_us)?,
            prefix: e.prefix.clone(),
        }),
        Wire::ApiKeyRevoked(e) => Ok(Event::Revoked {
            reason: Code::recorded(e.reason.clone()),
        }),
        other => Err(CodecError::WrongStream {
            noun: ApiKey::NOUN,
            found: other.event_type(),
        }),
    }
}
