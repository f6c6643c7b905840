//! `GET /api/v1/channels/{id}/dns`: whether the DNS says of a sender what receivers look for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use actix_web::{HttpResponse, web};
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::auth::Role;
use tidings_service::http::Query;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::{At, Desk, channel};
use crate::senders::{Dns, NoAnswer, Report, check};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/channels/{id}/dns",
    Access::Roles(&[Role::Operator]),
);

/// The port of the DNS.
const PORT: u16 = 53;
/// All questions together may take this long.
const PATIENCE: Duration = Duration::from_secs(30);
/// When to ask again, in seconds.
const RETRY_AFTER_S: u64 = 30;

/// Check the DNS of a channel that sends mail
///
/// SPF, DKIM, DMARC, and a mail server for what comes back; each in words, with the record that would be right.
///
/// # Errors
/// 404 for an unknown channel, 409 for one that sends no mail or can not be used, 503 when the DNS gives no answer.
#[utoipa::path(
    get, path = "/api/v1/channels/{id}/dns", tag = "channels", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The channel"), At),
    responses(
        (status = 200, description = "What was found", body = Report),
        (status = 400, description = "The server is no address", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "No such channel", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It sends no mail, or can not be used", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "The DNS gives no answer", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub async fn channel_dns(
    desk: web::Data<Desk>,
    id: web::Path<Uuid>,
    at: Query<At>,
) -> Result<HttpResponse, Problem> {
    let server = at.server.as_deref().map(server).transpose()?;
    let way = desk.way(*id).await?;
    let sender = channel(&way)?.sender().ok_or_else(|| {
        Problem::conflict("This channel sends no mail: there is nothing to look up in the DNS.")
    })?;
    let dns = Dns::new(server).map_err(|error| no_answer(error, server))?;
    let checked = tokio::time::timeout(PATIENCE, check(&sender, &dns)).await;
    let report = checked
        .unwrap_or(Err(NoAnswer))
        .map_err(|error| no_answer(error, server))?;
    Ok(HttpResponse::Ok().json(report))
}

fn server(text: &str) -> Result<SocketAddr, Problem> {
    let address = text.parse::<IpAddr>().map(|it| SocketAddr::new(it, PORT));
    address.or_else(|_| text.parse()).map_err(|_| {
        Problem::bad_request(
            "The query parameter `server` must be an address such as 192.0.2.53, perhaps with a port: 192.0.2.53:5353.",
        )
    })
}

fn no_answer(_: NoAnswer, server: Option<SocketAddr>) -> Problem {
    let detail = match server {
        Some(server) => format!("The DNS server {server} gives no answer."),
        None => "No DNS server answers the machine this runs on: look at its /etc/resolv.conf, or name a server with \
                 `server`."
            .to_owned(),
    };
    Problem::unavailable(detail, RETRY_AFTER_S, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_perhaps_with_a_port() {
        for (text, expected) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ] {
            assert_eq!(server(text).unwrap().to_string(), expected);
        }
        for text in [
            "",
            "dns.example.org",
            "192.0.2.53:",
            "192.0.2.53:x",
            "[2001:db8::53",
        ] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
