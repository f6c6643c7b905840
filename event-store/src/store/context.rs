//! Who wants something, why and when: the part of an event that is the same for a whole commit.

use time::OffsetDateTime;
use uuid::Uuid;

/// The circumstances of a commit.
#[derive(Clone, Debug)]
pub struct Context {
    /// `user:<id>`, `subscriber:<link|page>`, `system:<role>` or `cli`.
    pub actor: String,
    /// Ties everything together that one request set off.
    pub correlation_id: Uuid,
    /// Position of the event that caused this; `None` for a request.
    pub causation: Option<i64>,
    /// When it happens.
    pub occurred_at: OffsetDateTime,
    /// W3C trace context, if there is one.
    pub traceparent: Option<String>,
    /// What somebody wants, as an id: the commit's first event carries it, the further ones carry ids
    /// derived from it. The same intent tried again meets its own event and does nothing.
    pub intent: Uuid,
    /// Keyed digest of the request body, when the intent came from an Idempotency-Key.
    pub request_digest: Option<[u8; 32]>,
}

impl Context {
    /// The circumstances of a reaction to a recorded event.
    pub fn reaction(
        actor: &str,
        cause: &crate::Recorded,
        intent: Uuid,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            actor: actor.to_owned(),
            correlation_id: cause.correlation_id,
            causation: Some(cause.position),
            occurred_at: now,
            traceparent: Some(cause.metadata().traceparent).filter(|trace| !trace.is_empty()),
            intent,
            request_digest: None,
        }
    }
}
