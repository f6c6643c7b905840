//! `GET /api/v1/channels/{id}/dns`: whether the DNS says of a sender what receivers look for.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tidings_domain::topic::Sender as TopicSender;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::auth::Role;
use tidings_service::http::Query;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::{Desk, channel};
use crate::senders::{Dns, NoAnswer, Report, check};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/channels/{id}/dns",
    Access::Roles(&[Role::Operator]),
);

/// Channels looked at at once: each has some dozens of questions asked.
pub(super) const CHECKS_MAX: usize = 4;
/// All questions together may take this long.
const PATIENCE: Duration = Duration::from_secs(30);
/// When to ask again, in seconds: where nobody answers, and where too many ask.
const RETRY_AFTER_S: u64 = 30;
const BUSY_RETRY_AFTER_S: u64 = 5;

/// What its mails are about.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MailsAbout {
    /// The slug of a topic: its mails are looked at, which come from its `from` if it has one. Without: all others.
    #[param(example = "markets")]
    pub topic: Option<String>,
}

/// Check the DNS of a channel that sends mail
///
/// SPF, DKIM, DMARC, and a mail server for what comes back; each in words, with the record that would be right.
///
/// # Errors
/// 400 for a topic that is none, 404 for an unknown channel, 409 for one that sends no mail or can not be used, 429 when too many are looked at already,
/// 503 when the DNS gives no answer.
#[utoipa::path(
    get, path = "/api/v1/channels/{id}/dns", tag = "channels", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The channel"), MailsAbout),
    responses(
        (status = 200, description = "What was found", body = Report),
        (status = 400, description = "There is no such topic", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such channel", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It sends no mail, or can not be used", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many are looked at already; `Retry-After` says when to try again",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The DNS gives no answer", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub async fn channel_dns(
    desk: web::Data<Desk>,
    id: web::Path<Uuid>,
    about: Query<MailsAbout>,
) -> Result<HttpResponse, Problem> {
    let server = desk.dns_server;
    let way = desk.way(*id).await?;
    let topic = match &about.topic {
        Some(slug) => desk.sender_of_topic(slug).await?,
        None => TopicSender::default(),
    };
    let sender = channel(&way)?.sender(&topic).ok_or_else(|| {
        Problem::conflict("This channel sends no mail: there is nothing to look up in the DNS.")
    })?;
    let Ok(_check) = desk.dns_checks.try_acquire() else {
        return Err(Problem::too_many_requests(BUSY_RETRY_AFTER_S));
    };
    let dns = Dns::new(server).map_err(|error| no_answer(error, server))?;
    let checked = tokio::time::timeout(PATIENCE, check(&sender, &dns)).await;
    let report = checked
        .unwrap_or(Err(NoAnswer))
        .map_err(|error| no_answer(error, server))?;
    Ok(HttpResponse::Ok().json(report))
}

fn no_answer(_: NoAnswer, server: Option<SocketAddr>) -> Problem {
    let detail = match server {
        Some(server) => format!("The DNS server {server} gives no answer."),
        None => "No DNS server answers the machine this runs on: look at its /etc/resolv.conf, or name a server in \
                 `mail.dns_server`."
            .to_owned(),
    };
    Problem::unavailable(detail, RETRY_AFTER_S, None)
}
