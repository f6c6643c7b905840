//! What every command needs to know of its request: who asks, why it is one request and not another,
//! and which version they have seen.

mod body;
mod if_match;
mod key;
mod principals;

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use tidings_event_store::Context;
use tidings_service::Problem;
use tidings_service::auth::Principal;
use tidings_service::http::{RequestContext, idempotency_key};
use tidings_service::problem;
use tidings_service::trace::TraceParent;
use uuid::Uuid;

pub(crate) use body::{MaybeJson, Nothing, limited};
pub(crate) use principals::Principals;

use crate::Commands;
use key::Repeatable;

/// An admitted request, before its body; an extractor for routes behind the gate.
pub(crate) struct Call {
    principal: Principal,
    correlation_id: Uuid,
    traceparent: TraceParent,
    method: String,
    path: String,
    key: Option<String>,
    /// The version the caller has seen.
    pub(crate) if_match: Option<i32>,
    /// Of a subscriber: the version of their record the caller has seen.
    pub(crate) if_match_record: Option<i32>,
}

/// A request with its body: what its events will say about it.
pub(crate) struct Command {
    /// Who, why and when, for the log.
    pub(crate) context: Context,
    repeatable: Option<Repeatable>,
}

impl Call {
    /// Makes the caller known and gives what the request's events will say about it. `body`: as received.
    ///
    /// # Errors
    /// 503 when the caller's name cannot be written down.
    pub(crate) async fn begin(self, commands: &Commands, body: &[u8]) -> Result<Command, Problem> {
        let actor = commands.principals.actor(commands, &self.principal).await?;
        let repeatable = self.key.map(|key| Repeatable {
            actor: actor.clone(),
            method: self.method,
            path: self.path,
            key,
        });
        let context = Context {
            actor,
            correlation_id: self.correlation_id,
            causation: None,
            occurred_at: commands.clock.now(),
            traceparent: Some(self.traceparent.to_string()),
            intent: match &repeatable {
                Some(request) => request.intent(&commands.id_key),
                None => commands.ids.next(),
            },
            request_digest: repeatable
                .as_ref()
                .map(|_| commands.id_key.digest("request.body", &[body])),
        };
        Ok(Command {
            context,
            repeatable,
        })
    }
}

impl Command {
    /// Id of the one new stream of this kind that the request makes.
    pub(crate) fn new_stream(&self, commands: &Commands, noun: &str) -> Uuid {
        match &self.repeatable {
            Some(request) => request.stream(&commands.id_key, noun),
            None => commands.ids.next(),
        }
    }
}

impl FromRequest for Call {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(call(request))
    }
}

fn call(request: &HttpRequest) -> Result<Call, Problem> {
    let missing =
        |what: &str| Problem::internal(&std::io::Error::other(format!("{what} is missing")));
    let extensions = request.extensions();
    let principal = extensions
        .get::<Principal>()
        .cloned()
        .ok_or_else(|| missing("the gate"))?;
    let context = extensions
        .get::<RequestContext>()
        .copied()
        .ok_or_else(|| missing("http::request_context"))?;
    let seen = if_match::read(request.headers())?;
    Ok(Call {
        principal,
        correlation_id: context.correlation_id,
        traceparent: context.traceparent,
        method: request.method().as_str().to_owned(),
        path: canonical_path(request)?,
        key: idempotency_key(request.headers())?,
        if_match: seen.version,
        if_match_record: seen.record,
    })
}

/// The route with the id in it in its canonical form: the same resource has one path only.
fn canonical_path(request: &HttpRequest) -> Result<String, Problem> {
    let mut pattern = request.match_pattern().unwrap_or_default();
    if let Some(view) = request.match_info().get("view") {
        pattern = pattern.replace("{view}", view);
    }
    let Some(id) = request.match_info().get("id") else {
        return Ok(pattern);
    };
    let id = Uuid::try_parse(id).map_err(|_| problem::path(request))?;
    Ok(pattern.replace("{id}", &id.hyphenated().to_string()))
}
