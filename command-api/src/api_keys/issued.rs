//! What is answered when a key has a new secret: the token, this once.

use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;
use tidings_domain::api_key::ApiKey;
use tidings_domain::token::ApiKeyToken;
use tidings_event_store::{Context, Executed};
use tidings_service::Problem;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::answer::{Answer, Changed, same_body};

/// A key with a new secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuedKey {
    #[serde(flatten)]
    changed: Changed,
    /// What to send as `Authorization: Bearer`. It is shown here and never again.
    #[schema(
        example = "tdk_AQGS86QAAHAAgAAAAAAAAAEHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB3cs0bU"
    )]
    token: String,
    /// What every token of this key begins with: enough to tell it from others.
    #[schema(example = "tdk_AQGS86QAAHAAgAAAAAAAAA")]
    prefix: String,
    /// From then on it lets nobody in.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// The answer with it.
pub(crate) struct IssuedAnswer {
    answer: Answer,
    token: ApiKeyToken,
    expires_at: OffsetDateTime,
}

impl IssuedAnswer {
    /// What a command on a key led to that was to give it this token.
    ///
    /// # Errors
    /// 422 when the Idempotency-Key came before with another body, 409 when with this one: nobody knows what its token
    /// was.
    pub(super) fn of(
        executed: &Executed<ApiKey>,
        context: &Context,
        token: ApiKeyToken,
    ) -> Result<Self, Problem> {
        let answer = Answer::of(executed, context)?;
        if let Some(past) = &executed.repeated {
            same_body(past, context)?;
        }
        // A commit whose outcome was not known at first is a repeat too, of our own secret.
        let secret = match &executed.after.state {
            ApiKey::Issued {
                current, earlier, ..
            } => {
                let mut all = earlier.iter().chain([current]);
                all.find(|it| it.hash == token.hash()).copied()
            }
            ApiKey::Unknown | ApiKey::Revoked { .. } => None,
        };
        let Some(secret) = secret else {
            let id = executed.after.id;
            let detail = format!(
                "An earlier request with this Idempotency-Key has done this to the API key {id}, and its token was shown \
                 then and never again. If nobody has it, rotate the key with an overlap of 0: that gives another."
            );
            return Err(Problem::conflict(detail).extension("id", id.to_string()));
        };
        Ok(Self {
            answer,
            token,
            expires_at: secret.until,
        })
    }

    /// 201, and where the key is.
    pub(super) fn created(mut self, collection: &str) -> Self {
        self.answer = self.answer.created(collection);
        self
    }
}

impl Responder for IssuedAnswer {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let (mut response, changed) = self.answer.into_parts();
        response.json(IssuedKey {
            changed,
            prefix: self.token.prefix(),
            token: self.token.reveal(),
            expires_at: self.expires_at,
        })
    }
}
