//! Slack for loopback, its incoming webhooks and the one method of its Web API that posts: its answers, its limits,
//! its rate limit, a record of what it accepted, and misbehaviour as it is told to.
//!
//! A webhook is `http://ADDR/services/T…/B…/NAME` ([`Handle::url`]). Any name is an open channel
//! except four that say what is wrong with them: `archived` (410 `channel_is_archived`), `unknown`
//! (404 `channel_not_found`), `prohibited` (403 `action_prohibited`), `removed` (404 `no_service`).
//!
//! A bot posts to `http://ADDR/api/chat.postMessage` ([`Handle::api_url`]) with any token that starts with `xoxb-`,
//! except `xoxb-revoked` (`token_revoked`). Any channel's id is an open channel except `C0UNKNOWN`
//! (`channel_not_found`), `C0ARCHIVED` (`is_archived`), and `C0PRIVATE` (`not_in_channel`).
//!
//! A picture at a host that nobody can reach (`.invalid`, `.localhost`, a bare name, an IP address) or in a format that Slack
//! does not show is `invalid_blocks`; nothing is downloaded.
//!
//! The server runs on a thread of its own with its own actix system, so it can be started from
//! any tokio runtime, of one thread or of many.

mod api;
mod blocks;
mod endpoint;
mod pictures;

use actix_web::web;

use crate::web as http;
pub use crate::web::{Action, Error, Handle, Limit, Message, Options, RateLimit, Rule};

/// Starts a sink. It is ready when this returns.
///
/// # Errors
/// The address cannot be listened on.
pub async fn start(options: Options) -> Result<Handle, Error> {
    let vendor = http::Vendor {
        name: "slack",
        path: "/services/T0TIDINGS/B0SINK/",
        body_bytes_max: http::BODY_BYTES_MAX,
        rate_limit: Some(RateLimit::SLACK),
        routes: Box::new(routes),
    };
    http::start(options, vendor).await
}

fn routes(app: &mut web::ServiceConfig) {
    app.route(
        "/services/{team}/{bot}/{name}",
        web::post().to(endpoint::post),
    )
    .route("/api/chat.postMessage", web::post().to(api::post))
    .default_service(web::to(endpoint::nothing_here));
}
