//! The `discord` kind: one message per publication through a webhook.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{Url, header::HeaderMap};
use serde_json::Value;
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::delivery::retry::Family;
use tidings_proto::Reason;
use tidings_service::{clock::Clock, config::Secret, outbound::Outbound};

use super::{
    http,
    pace::Pace,
    settings::{Fields, checked},
};
use crate::channel::{
    Channel, ConfigError, Environment, Job, Kind, LeftAlone, Outcome, Reach, RenderError, Rendered,
    Warrant,
};

mod outcome;
#[cfg(test)]
mod tests;

/// Settings: `{"channel_label"?: "#news"}`, a name for people. Credentials: `{"webhook_url"}`, which may name a thread
/// (`?thread_id=`).
pub const KIND: Kind = Kind {
    name: "discord",
    reach: Reach::Broadcast,
    family: Family::Http,
    doubt: DoubtPolicy::Hold,
    // Discord shuts out the address that sends 10,000 such requests in ten minutes, and with it every channel.
    left_alone: LeftAlone::Refused {
        reasons: &[
            Reason::NotAllowed,
            Reason::WebhookNotFound,
            Reason::ChannelNotFound,
        ],
        times: 3,
    },
    build,
};

struct DiscordChannel {
    label: Option<String>,
    /// With `wait=true`.
    webhook_url: Secret,
    outbound: Outbound,
    clock: Clock,
    /// Of this webhook alone.
    pace: Pace,
    /// Of everybody here who speaks to Discord.
    shared_pace: Arc<Pace>,
}

// Whoever knows the URL can post: it must not be printed.
impl fmt::Debug for DiscordChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscordChannel")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

fn build(
    settings: &Value,
    credentials: Option<&str>,
    environment: &Environment,
) -> Result<Arc<dyn Channel>, ConfigError> {
    let mut settings = Fields::settings(settings);
    let mut credentials = Fields::credentials(credentials);
    let label = settings.text("channel_label");
    let webhook_url = credentials.acceptable_url("webhook_url", environment);
    let channel = webhook_url.map(|url| DiscordChannel {
        label,
        shared_pace: environment.paces.of(api(&url), &environment.clock),
        webhook_url: Secret::new(waiting(url)),
        outbound: environment.outbound.clone(),
        clock: environment.clock.clone(),
        pace: Pace::new(environment.clock.clone()),
    });
    Ok(Arc::new(checked(channel, [settings, credentials])?))
}

/// Which receiving side counts the requests to this URL. Discord has several names for one API.
fn api(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let of = |domain| {
        host == domain
            || host
                .strip_suffix(domain)
                .is_some_and(|it| it.ends_with('.'))
    };
    let host = match of("discord.com") || of("discordapp.com") {
        true => "discord.com",
        false => host,
    };
    let port = url.port_or_known_default().unwrap_or_default();
    format!("discord {host}:{port}")
}

/// The URL with `wait=true`: without it Discord says yes before it has looked at the message, and tells no id.
fn waiting(mut url: Url) -> String {
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "wait")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair("wait", "true");
    url.into()
}

impl Channel for DiscordChannel {
    fn render(&self, job: &Job<'_>) -> Result<Rendered, RenderError> {
        Ok(Rendered {
            delivery_id: job.delivery_id,
            attempt: job.attempt,
            media_type: "application/json",
            from: String::new(),
            to: self.label.clone().unwrap_or_default(),
            body: job.content.discord().as_bytes().to_vec(),
        })
    }

    fn send<'a>(
        &'a self,
        rendered: &'a Rendered,
        warrant: &'a dyn Warrant,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            // Others were opened at the same time, and one of them has heard that it is too much. A test waits for no rest.
            if rendered.attempt > 0 && self.shared_pace.ready_after().is_some() {
                return Outcome::Abandoned {
                    reason: Reason::Paced,
                };
            }
            let (url, body) = (self.webhook_url.expose(), rendered.body.clone());
            let answer = http::post(&self.outbound, url, body, HeaderMap::new(), warrant).await;
            let response = match answer {
                Ok(response) => response,
                Err(outcome) => return outcome,
            };
            if let Some(rest) = outcome::bucket_empty_for(&response.headers) {
                self.pace.rest(rest);
            }
            let outcome = outcome::of_response(&response, self.clock.now());
            if let Some(rest) = http::rest_after(&outcome) {
                match outcome::is_about_all(&response) {
                    true => self.shared_pace.rest(rest),
                    false => self.pace.rest(rest),
                }
            }
            outcome
        })
    }

    fn wake(&self) {
        self.pace.wake();
    }

    fn attempt_time_max(&self) -> Duration {
        http::attempt_time_max(&self.outbound)
    }

    /// A webhook has a bucket of its own: the next attempt has to know what the last one left in it.
    fn concurrency(&self) -> usize {
        1
    }

    fn ready_after(&self) -> Option<Duration> {
        self.pace.ready_after().max(self.shared_pace.ready_after())
    }
}
