//! Amazon SES for loopback, the one operation of its API (version 2) that sends: it checks each request's signature and
//! the mail in it, keeps a record of what it accepted, and misbehaves as it is told to.
//!
//! Mails are posted to `http://ADDR/v2/email/outbound-emails` ([`Handle::base_url`]). On record a mail's destination is
//! its first receiver's address, so that is what [`Rule::to`] means here, and its payload is the whole request;
//! [`mail_of`] takes the mail out of it. What it refuses by itself, and what a test can have it refuse, is a [`Refusal`].

mod endpoint;
mod message;
mod refusal;
mod sigv4;

use std::sync::Arc;

use actix_web::web;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::web as http;
pub use crate::web::{Action, Error, Handle, Limit, Message, Options, RateLimit, Rule};
pub use refusal::Refusal;

/// Room for the largest mail (40 MiB in Base64) and the request around it.
const BODY_BYTES_MAX: usize = 48 * 1024 * 1024;

/// The account that mails are sent by.
#[derive(Clone, Debug)]
pub struct Account {
    /// Names the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// Comes with keys that are good for a while only.
    pub session_token: Option<String>,
    /// Where it is, e.g. `eu-west-1`.
    pub region: String,
    /// Addresses and domains that mails may come from.
    pub identities: Vec<String>,
    /// The configuration sets there are.
    pub configuration_sets: Vec<String>,
}

/// Starts a sink. It is ready when this returns. Nothing limits its rate unless [`Options`] say so: then it is the
/// account's.
///
/// # Errors
/// The address cannot be listened on.
pub async fn start(options: Options, account: Account) -> Result<Handle, Error> {
    let account = Arc::new(account);
    let vendor = http::Vendor {
        name: "ses",
        path: "/",
        body_bytes_max: BODY_BYTES_MAX,
        rate_limit: None,
        routes: Box::new(move |app| routes(app, Arc::clone(&account))),
    };
    http::start(options, vendor).await
}

/// The mail in a message on record, with all its headers.
#[must_use]
pub fn mail_of(message: &Message) -> Vec<u8> {
    let data = message.payload["Content"]["Raw"]["Data"].as_str();
    // It was decoded before it was put on record.
    STANDARD
        .decode(data.unwrap_or_default())
        .unwrap_or_default()
}

fn routes(app: &mut web::ServiceConfig, account: Arc<Account>) {
    app.app_data(web::Data::new(account))
        .route("/v2/email/outbound-emails", web::post().to(endpoint::post))
        .default_service(web::to(|| async { Refusal::UNKNOWN_OPERATION.answer() }));
}
