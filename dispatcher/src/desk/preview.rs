//! `GET /api/v1/publications/{id}/preview`: what a channel will send, before anything is sent.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::auth::Role;
use tidings_service::http::Query;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Desk, SAMPLE_READER, Where, channel, is_addressed};
use crate::content::mail::{Footer, Why};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/publications/{id}/preview",
    Access::Roles(&[Role::Editor, Role::Operator, Role::Service]),
);

/// What a channel sends.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// The channel.
    pub channel_id: Uuid,
    /// Its kind.
    #[schema(example = "email")]
    pub kind: String,
    /// What `body` is.
    #[schema(example = "message/rfc822")]
    pub media_type: String,
    /// The whole message: a mail with all its headers, or the JSON that is posted.
    pub body: String,
    /// The page a mail program shows; null for other kinds.
    pub html: Option<String>,
    /// The text it shows instead; null for other kinds.
    pub text: Option<String>,
}

/// See what a channel will send
///
/// As it goes out, to a made-up reader; where a channel's mails tell of being opened, without the picture and links that do. Nothing
/// is sent and nothing is recorded.
///
/// # Errors
/// 404 for an unknown publication or channel, 409 when there is nothing to render or nothing to render it with.
#[utoipa::path(
    get, path = "/api/v1/publications/{id}/preview", tag = "publications", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The publication"), Where),
    responses(
        (status = 200, description = "The message", body = Preview),
        (status = 404, description = "No such publication or channel", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It can not be rendered", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub async fn preview(
    desk: web::Data<Desk>,
    id: web::Path<Uuid>,
    wanted: Query<Where>,
) -> Result<HttpResponse, Problem> {
    let sample = desk.content(*id).await?;
    let way = desk.way(wanted.channel_id).await?;
    let reader = is_addressed(&way).then_some(SAMPLE_READER);
    let job = desk.job(&sample, *id, reader);
    let channel = channel(&way)?;
    let rendered = channel
        .render(&job)
        .map_err(|error| Problem::conflict(format!("It can not be rendered: {error}.")))?;
    let sender = channel.called(job.sender).unwrap_or_default();
    let footer = reader.map(|reader| Footer {
        reader,
        sender: &sender,
        why: Why::Subscribed,
        unsubscribe_url: job.unsubscribe_url.as_deref(),
        preferences_url: job.preferences_url.as_deref(),
    });
    let mail = footer.as_ref().map(|_| sample.content.mail());
    Ok(HttpResponse::Ok().json(Preview {
        channel_id: wanted.channel_id,
        kind: way
            .kind
            .map(|kind| kind.name.to_owned())
            .unwrap_or_default(),
        media_type: rendered.media_type.to_owned(),
        html: mail.map(|mail| mail.html(footer.as_ref())),
        text: mail.map(|mail| mail.text(footer.as_ref())),
        body: String::from_utf8_lossy(&rendered.body).into_owned(),
    }))
}
