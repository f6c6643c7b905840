//! `POST /api/v1/channels/{id}/test` and `POST /api/v1/publications/{id}/test`: one message, now, to see whether and
//! how it arrives. It is no delivery: nobody subscribed for it, and it counts nowhere.

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_domain::address::Address;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Standing, Subscriber};
use tidings_domain::suppression::Suppression;
use tidings_domain::topic::Sender;
use tidings_domain::value::EmailAddress;
use tidings_proto::Reason;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::auth::{Principal, Role};
use tidings_service::http::{Json, MaybeJson, idempotency_key};
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::tries::Repeatable;
use super::{Desk, Sample, channel, is_addressed, load};
use crate::channel::Outcome;
use crate::content::Composed;
use crate::roster::Way;

/// Who may try a publication.
pub const PUBLICATION: Route = (
    "POST",
    "/api/v1/publications/{id}/test",
    Access::Roles(&[Role::Editor, Role::Service]),
);
/// Who may try a channel.
pub const CHANNEL: Route = (
    "POST",
    "/api/v1/channels/{id}/test",
    Access::Roles(&[Role::Operator]),
);

const TITLE: &str = "A test of your channel";
const MARKDOWN: &str = "If you can read this, the channel works.\n\n\
    Somebody who looks after it had Tidings send this message. *Nobody has to do anything.*\n";

const NOT_TO_THEM: &str = "Nothing may be sent to this address: it is suppressed, or its subscriber has left or has not confirmed.";

/// Whom to send it to.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "to": "me@example.org" }))]
pub struct TestOfChannel {
    /// An address: required for a channel with single receivers, not allowed for others.
    to: Option<String>,
}

/// Where and whom to send it to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "channel_id": "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11", "to": "me@example.org" }))]
pub struct TestOfPublication {
    /// The channel.
    channel_id: Uuid,
    /// An address: required for a channel with single receivers, not allowed for others.
    to: Option<String>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tested {
    /// `sent`, `deferred`, `failed`, `in_doubt` or `not_sent`.
    #[schema(example = "sent")]
    pub outcome: &'static str,
    /// Why, as a code; null when it was sent.
    pub reason: Option<&'static str>,
    /// The same in words.
    #[schema(example = "the receiving side can not be connected to")]
    pub explanation: Option<String>,
    /// SMTP reply or HTTP status; 0 when there was none.
    #[schema(example = 250)]
    pub code: i32,
    /// The receiving side's words, or what went wrong on the way.
    #[schema(example = "2.0.0 queued")]
    pub reply: String,
}

/// Try a channel
///
/// Sends one message through it, now, whether it is enabled or not, and answers with what the receiving side said. A
/// message to a broadcast channel can be read by everybody there. Repeated under the same Idempotency-Key it is
/// answered as the first time, and sent once, as long as the process lives.
///
/// # Errors
/// 429 when there have been too many to the channel of late, 404 for an unknown channel, 409 when it can not send or nothing may be sent to the address, 422 for a missing or
/// malformed one.
#[utoipa::path(
    post, path = "/api/v1/channels/{id}/test", tag = "channels", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The channel"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat, as long as the process lives"),
    ),
    request_body(content = Option<TestOfChannel>, description = "May be left out for a broadcast channel"),
    responses(
        (status = 200, description = "What became of it", body = Tested),
        (status = 404, description = "No such channel", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It can not send, or must not", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "No address, or not an address", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "Ten at once, and then one every six seconds, may go to a channel; one that may not be sent counts",
            body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn test_channel(
    desk: web::Data<Desk>,
    id: web::Path<Uuid>,
    request: HttpRequest,
    body: MaybeJson<TestOfChannel>,
) -> Result<HttpResponse, Problem> {
    let tested = async {
        let way = desk.way(*id).await?;
        let sample = Sample {
            content: Composed::new(TITLE, MARKDOWN),
            sender: Sender::default(),
        };
        let to = body.value.to.as_deref();
        desk.send(&way, &sample, Uuid::nil(), to).await
    };
    desk.once(&request, *id, &body.raw, tested).await
}

/// Try a publication
///
/// Sends it as it is, draft or not, to one address or to a broadcast channel, now, and answers with what the receiving
/// side said. A message to a broadcast channel can be read by everybody there.
///
/// # Errors
/// As for a channel; 404 also for an unknown publication.
#[utoipa::path(
    post, path = "/api/v1/publications/{id}/test", tag = "publications", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The publication"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat, as long as the process lives"),
    ),
    request_body = TestOfPublication,
    responses(
        (status = 200, description = "What became of it", body = Tested),
        (status = 404, description = "No such publication or channel", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It can not be sent, or must not", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "No address, or not an address", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "Ten at once, and then one every six seconds, may go to a channel; one that may not be sent counts",
            body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn test_publication(
    desk: web::Data<Desk>,
    id: web::Path<Uuid>,
    request: HttpRequest,
    body: Json<TestOfPublication>,
) -> Result<HttpResponse, Problem> {
    let tested = async {
        let sample = desk.content(*id).await?;
        let way = desk.way(body.value.channel_id).await?;
        desk.send(&way, &sample, *id, body.value.to.as_deref())
            .await
    };
    desk.once(&request, *id, &body.raw, tested).await
}

impl Desk {
    /// Answers with what is tried, or as the first time if the request comes again under its Idempotency-Key.
    async fn once(
        &self,
        request: &HttpRequest,
        id: Uuid,
        body: &[u8],
        tried: impl Future<Output = Result<Tested, Problem>>,
    ) -> Result<HttpResponse, Problem> {
        let Some(first) = self.repeatable(request, id, body)? else {
            return Ok(HttpResponse::Ok().json(tried.await?));
        };
        if let Some(tested) = self.tries.begin(first)? {
            return Ok(HttpResponse::Ok().json(tested));
        }
        let tested = tried.await;
        match &tested {
            Ok(tested) => self.tries.remember(first, tested),
            // It was refused before anything was sent.
            Err(_) => self.tries.forget(first),
        }
        Ok(HttpResponse::Ok().json(tested?))
    }

    fn repeatable(
        &self,
        request: &HttpRequest,
        id: Uuid,
        body: &[u8],
    ) -> Result<Option<Repeatable>, Problem> {
        let Some(key) = idempotency_key(request.headers())? else {
            return Ok(None);
        };
        let extensions = request.extensions();
        let (issuer, subject) = extensions
            .get::<Principal>()
            .map_or(("", ""), |it| (it.issuer.as_str(), it.subject.as_str()));
        let pattern = request.match_pattern().unwrap_or_default();
        let parts = [
            issuer.as_bytes(),
            subject.as_bytes(),
            pattern.as_bytes(),
            id.as_bytes(),
            key.as_bytes(),
        ];
        Ok(Some(Repeatable {
            request: self.id_key.digest("test.request", &parts),
            body: self.id_key.digest("test.body", &[body]),
        }))
    }

    async fn send(
        &self,
        way: &Way,
        sample: &Sample,
        publication_id: Uuid,
        to: Option<&str>,
    ) -> Result<Tested, Problem> {
        let to = receiver(way, to)?;
        let channel = channel(way)?;
        let job = self.job(
            sample,
            publication_id,
            to.as_ref().map(EmailAddress::as_str),
        );
        let rendered = channel
            .render(&job)
            .map_err(|error| Problem::conflict(format!("It can not be rendered: {error}.")))?;
        // What is refused counts too: nobody finds out about one address after the other faster than they could send to them.
        self.tries.count(way.channel_id)?;
        if let Some(to) = &to {
            self.may_get_mail(to).await?;
        }
        tracing::info!(channel = %way.channel_id, "a message is sent to try a channel");
        Ok(tested(channel.send(&rendered, &|| true).await))
    }

    /// Whoever must not get mail does not get this one either. Why is not said: that would tell of an address who has it, and
    /// no such look is on record.
    async fn may_get_mail(&self, to: &EmailAddress) -> Result<(), Problem> {
        let streams = [
            stream_id::address_suppression(&self.id_key, to),
            stream_id::domain_suppression(&self.id_key, to.domain()),
        ];
        let suppressions = self.store.load_many::<Suppression>(&streams).await;
        let suppressions = suppressions.map_err(|error| load(&error))?;
        let is_suppressed = suppressions.iter().any(|it| it.state.is_suppressed());
        match is_suppressed || self.is_not_wanted(to).await? {
            true => Err(Problem::conflict(NOT_TO_THEM)),
            false => Ok(()),
        }
    }

    /// Whether whoever subscribes with an address has left, or has not confirmed.
    async fn is_not_wanted(&self, to: &EmailAddress) -> Result<bool, Problem> {
        let address = stream_id::address(&self.id_key, to);
        let address = self.store.load::<Address>(address).await;
        let Some(holder) = address.map_err(|error| load(&error))?.state.holder() else {
            return Ok(false);
        };
        let subscriber = self.store.load::<Subscriber>(holder).await;
        let standing = subscriber.map_err(|error| load(&error))?.state.standing();
        Ok(standing != Standing::Active)
    }
}

/// Whom it goes to; none for a broadcast.
fn receiver(way: &Way, to: Option<&str>) -> Result<Option<EmailAddress>, Problem> {
    let wrong = |detail: &str| Problem::validation().error("#/to", detail);
    match (is_addressed(way), to) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(wrong("This channel has no single receivers; leave it out.")),
        (true, None) => Err(wrong("This channel needs an address to send to.")),
        (true, Some(to)) => EmailAddress::parse(to)
            .map(Some)
            .map_err(|invalid| wrong(&invalid.detail)),
    }
}

fn tested(outcome: Outcome) -> Tested {
    let (outcome, reason, code, reply) = match outcome {
        Outcome::Sent { code, reply, .. } => ("sent", None, code, reply),
        Outcome::Deferred {
            reason,
            code,
            reply,
            ..
        } => ("deferred", Some(reason), code, reply),
        Outcome::Failed {
            reason,
            code,
            reply,
            ..
        } => ("failed", Some(reason), code, reply),
        Outcome::Abandoned { reason } => ("not_sent", Some(reason), 0, String::new()),
        Outcome::InDoubt { reason } => ("in_doubt", Some(reason), 0, String::new()),
    };
    Tested {
        outcome,
        reason: reason.map(Reason::as_str),
        explanation: reason.map(|reason| reason.words().to_owned()),
        code,
        reply,
    }
}
