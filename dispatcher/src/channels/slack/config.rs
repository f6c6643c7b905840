//! Which of the two ways into Slack is configured, and whether it is whole.

use reqwest::header::HeaderValue;
use serde_json::Value;
use tidings_service::config::Secret;

use super::Door;
use crate::{
    channel::{ConfigError, Environment},
    channels::{
        http::acceptable,
        settings::{Fields, checked},
    },
};

const API_URL: &str = "https://slack.com/api";

/// The label and the door.
pub(super) fn read(
    settings: &Value,
    credentials: Option<&str>,
    environment: &Environment,
) -> Result<(Option<String>, Door), ConfigError> {
    let mut settings = Fields::settings(settings);
    let mut credentials = Fields::credentials(credentials);
    let label = settings.text("channel_label");
    let channel = settings.text("channel");
    let api_url = settings.text("api_url");
    let webhook_url = credentials.text("webhook_url");
    let bot_token = credentials.text("bot_token");
    let door = match (webhook_url, bot_token) {
        (Some(url), None) => {
            for (name, value) in [("channel", &channel), ("api_url", &api_url)] {
                if value.is_some() {
                    settings.problem(name, "is for a `bot_token`: a webhook knows its channel");
                }
            }
            webhook(url, &mut credentials, environment)
        }
        (None, Some(token)) => {
            let authorization = authorization(&token, &mut credentials);
            let channel = channel_id(channel, &mut settings);
            let url = post_url(api_url.as_deref(), &mut settings, environment);
            url.zip(authorization)
                .zip(channel)
                .map(|((url, authorization), channel)| Door::Bot {
                    url,
                    authorization,
                    channel,
                })
        }
        (Some(_), Some(_)) => {
            credentials.problem("bot_token", "must not stand beside a `webhook_url`");
            None
        }
        (None, None) => {
            if credentials.is_clean() {
                credentials.problem("webhook_url", "is required, or else a `bot_token`");
            }
            None
        }
    };
    checked(door.map(|door| (label, door)), [settings, credentials])
}

fn webhook(url: String, credentials: &mut Fields, environment: &Environment) -> Option<Door> {
    match acceptable(&url, environment) {
        Ok(_) => Some(Door::Webhook {
            url: Secret::new(url),
        }),
        Err(detail) => {
            credentials.problem("webhook_url", detail);
            None
        }
    }
}

fn authorization(token: &str, credentials: &mut Fields) -> Option<HeaderValue> {
    let is_token = token.starts_with("xoxb-") && token.bytes().all(|byte| byte.is_ascii_graphic());
    let header = is_token.then(|| HeaderValue::try_from(format!("Bearer {token}")));
    match header {
        Some(Ok(mut header)) => {
            header.set_sensitive(true);
            Some(header)
        }
        _ => {
            let detail = "must be a bot's token, which starts with `xoxb-`";
            credentials.problem("bot_token", detail);
            None
        }
    }
}

/// Ids only: names can be given to another channel, and Slack no longer takes them everywhere.
fn channel_id(channel: Option<String>, settings: &mut Fields) -> Option<String> {
    let Some(channel) = channel else {
        if settings.is_clean() {
            settings.problem("channel", "is required with a `bot_token`");
        }
        return None;
    };
    let is_id = channel.starts_with(['C', 'G', 'D'])
        && (2..=32).contains(&channel.len())
        && channel
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !is_id {
        settings.problem(
            "channel",
            "must be the id of a channel, such as C0123456789",
        );
    }
    is_id.then_some(channel)
}

fn post_url(
    api_url: Option<&str>,
    settings: &mut Fields,
    environment: &Environment,
) -> Option<String> {
    let base = api_url.unwrap_or(API_URL);
    match acceptable(base, environment) {
        Ok(_) => Some(format!("{}/chat.postMessage", base.trim_end_matches('/'))),
        Err(detail) => {
            settings.problem("api_url", detail);
            None
        }
    }
}
