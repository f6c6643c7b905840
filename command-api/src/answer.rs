//! What every command answers: where the change stands in the log, and the version it made.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder};
use serde::Serialize;
use tidings_domain::aggregate::Aggregate;
use tidings_domain::id::nth_event;
use tidings_event_store::{Context, Executed, Loaded, Past};
use tidings_service::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

/// Response header: reads that pass it as `?at_least=` see the change.
pub(crate) const LOG_POSITION: HeaderName = HeaderName::from_static("log-position");

/// A change that is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Changed {
    /// What was changed.
    #[schema(example = "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11")]
    pub id: Uuid,
    /// Its version after the change; also the `ETag`.
    #[schema(example = 1)]
    pub version: i32,
    /// Where the change stands in the log; also the header `Log-Position`.
    #[schema(example = 42)]
    pub position: i64,
    /// Where to watch the work that the command set off, if it takes longer than the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/api/v1/publications/019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11")]
    pub operation: Option<String>,
}

/// The answer to a command.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    location: Option<String>,
    changed: Changed,
    /// Of a subscriber: the version of their record, which is a part of the `ETag` then.
    record: Option<i32>,
}

impl Answer {
    /// What a command on one stream led to; the same for a request that came before.
    ///
    /// # Errors
    /// 422 when the Idempotency-Key came before with another body.
    pub(crate) fn of<A: Aggregate>(
        executed: &Executed<A>,
        context: &Context,
    ) -> Result<Self, Problem> {
        if let Some(past) = &executed.repeated {
            same_body(past, context)?;
        }
        Ok(Self::at(&executed.after, context))
    }

    /// A stream after the events of this request, or as it is when the request changed nothing.
    pub(crate) fn at<A>(after: &Loaded<A>, context: &Context) -> Self {
        let own = last_of_intent(&after.history, context.intent).or(after.history.last());
        let changed = Changed {
            id: after.id,
            version: own.map_or(after.version, |past| past.version),
            position: own.map_or(0, |past| past.position),
            operation: None,
        };
        Self {
            status: StatusCode::OK,
            location: None,
            changed,
            record: None,
        }
    }

    /// A subscriber and their record at these versions.
    pub(crate) fn of_record(id: Uuid, version: i32, record: i32, position: i64) -> Self {
        Self {
            status: StatusCode::OK,
            location: None,
            changed: Changed {
                id,
                version,
                position,
                operation: None,
            },
            record: Some(record),
        }
    }

    /// 201, and where the new resource is; `collection` such as `/api/v1/channels`.
    pub(crate) fn created(mut self, collection: &str) -> Self {
        self.status = StatusCode::CREATED;
        self.location = Some(format!("{collection}/{}", self.changed.id));
        self
    }

    /// 202, and where to watch the work; `collection` such as `/api/v1/imports`.
    pub(crate) fn accepted(self, collection: &str) -> Self {
        let operation = format!("{collection}/{}", self.changed.id);
        self.accepted_at(operation)
    }

    /// Status and headers, and the body that goes with them.
    pub(crate) fn into_parts(self) -> (HttpResponseBuilder, Changed) {
        let version = self.changed.version;
        let tag = match self.record {
            Some(record) => format!("\"{version}.{record}\""),
            None => format!("\"{version}\""),
        };
        let mut response = HttpResponse::build(self.status);
        response
            .insert_header((LOG_POSITION, self.changed.position))
            .insert_header((header::ETAG, tag));
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        (response, self.changed)
    }

    /// 202, and where to watch the work.
    pub(crate) fn accepted_at(mut self, operation: String) -> Self {
        self.status = StatusCode::ACCEPTED;
        self.location = Some(operation.clone());
        self.changed.operation = Some(operation);
        self
    }
}

/// A repeat must repeat the body too.
///
/// # Errors
/// 422 when it does not.
pub(crate) fn same_body(past: &Past, context: &Context) -> Result<(), Problem> {
    let digest = context
        .request_digest
        .as_ref()
        .map_or(&[][..], |digest| digest);
    if past.request_digest == digest {
        Ok(())
    } else {
        Err(Problem::idempotency_key_reused())
    }
}

/// The last of the events that this intent wrote to a stream.
fn last_of_intent(history: &[Past], intent: Uuid) -> Option<&Past> {
    let first = history.iter().position(|past| past.event_id == intent)?;
    let own = history[first..]
        .iter()
        .zip(0u32..)
        .take_while(|(past, n)| past.event_id == nth_event(intent, *n));
    own.last().map(|(past, _)| past)
}

impl Responder for Answer {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let (mut response, changed) = self.into_parts();
        response.json(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;

    fn past(event_id: Uuid, version: i32) -> Past {
        Past {
            event_id,
            event_type: "publication.Drafted".to_owned(),
            position: 100 + i64::from(version),
            version,
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            recorded_at: OffsetDateTime::UNIX_EPOCH,
            causation: None,
            request_digest: vec![1; 32].into(),
        }
    }

    fn context(intent: Uuid, request_digest: Option<[u8; 32]>) -> Context {
        Context {
            actor: "cli".to_owned(),
            correlation_id: Uuid::nil(),
            causation: None,
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            traceparent: None,
            intent,
            request_digest,
        }
    }

    #[test]
    fn a_repeat_is_answered_from_its_own_events_not_from_later_ones() {
        let (intent, other) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let history = vec![
            past(other, 1),
            past(intent, 2),
            past(nth_event(intent, 1), 3),
            past(Uuid::from_u128(9), 4),
        ];
        let after = Loaded {
            id: Uuid::from_u128(1),
            state: (),
            version: 4,
            history,
        };
        let changed = Answer::at(&after, &context(intent, None)).changed;
        assert_eq!((changed.version, changed.position), (3, 103));
        let unchanged = Answer::at(&after, &context(Uuid::from_u128(10), None)).changed;
        assert_eq!((unchanged.version, unchanged.position), (4, 104));
    }

    #[test]
    fn another_body_under_the_same_key_is_refused() {
        let past = past(Uuid::nil(), 1);
        assert!(same_body(&past, &context(Uuid::nil(), Some([1; 32]))).is_ok());
        let refused = same_body(&past, &context(Uuid::nil(), Some([2; 32]))).unwrap_err();
        assert_eq!(refused.kind().slug, "idempotency-key-reused");
    }
}
