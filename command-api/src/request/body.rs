//! Bodies of commands that need none: absent, or a JSON object.

use actix_web::dev::Payload;
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use tidings_service::http::read_body;
use tidings_service::{Problem, problem};

use crate::Commands;

/// The whole body of a command, within the configured limit.
pub(crate) async fn limited(request: &HttpRequest, body: &mut Payload) -> Result<Bytes, Problem> {
    let Some(commands) = request.app_data::<web::Data<Commands>>() else {
        return Err(Problem::internal(&std::io::Error::other(
            "web::Data<Commands> is missing",
        )));
    };
    read_body(request, body, commands.limits.body_limit_bytes).await
}

/// A JSON body that may be left out; then every field has its default.
pub(crate) struct MaybeJson<T> {
    /// The value read.
    pub(crate) value: T,
    /// The body as received.
    pub(crate) raw: Bytes,
}

impl<T: DeserializeOwned + Default + 'static> FromRequest for MaybeJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, body: &mut Payload) -> Self::Future {
        let (request, mut body) = (request.clone(), body.take());
        Box::pin(async move {
            let raw = limited(&request, &mut body).await?;
            let value = if raw.is_empty() {
                T::default()
            } else {
                problem::from_json(&raw)?
            };
            Ok(Self { value, raw })
        })
    }
}

/// The body of a command that takes none: absent, or `{}`.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}
