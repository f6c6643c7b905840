//! The `slack` kind: one message per publication through an incoming webhook.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{Url, header::HeaderMap};
use serde_json::Value;
use tidings_service::{clock::Clock, config::Secret, outbound::Outbound};

use super::settings::{Fields, checked};
use crate::channel::{
    Channel, ConfigError, Environment, Fresh, Job, Kind, Outcome, Reach, RenderError, Rendered,
};

mod outcome;
#[cfg(test)]
mod tests;

/// Settings: `{"channel_label"?: "#news"}`, a name for people. Credentials: `{"webhook_url"}`.
pub const KIND: Kind = Kind {
    name: "slack",
    reach: Reach::Broadcast,
    build,
};

struct SlackChannel {
    label: Option<String>,
    webhook_url: Secret,
    outbound: Outbound,
    clock: Clock,
}

// Whoever knows the URL can post: it must not be printed.
impl fmt::Debug for SlackChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackChannel")
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
    let webhook_url = credentials.required_text("webhook_url");
    if let Some(url) = &webhook_url
        && let Err(detail) = acceptable(url, environment)
    {
        credentials.problem("webhook_url", detail);
    }
    let channel = webhook_url.map(|url| SlackChannel {
        label,
        webhook_url: Secret::new(url),
        outbound: environment.outbound.clone(),
        clock: environment.clock.clone(),
    });
    Ok(Arc::new(checked(channel, [settings, credentials])?))
}

fn acceptable(url: &str, environment: &Environment) -> Result<(), &'static str> {
    let url = environment
        .outbound
        .vet(url)
        .map_err(|_| "must be a URL of a host that may be reached")?;
    if url.scheme() == "https" || (environment.allow_loopback && is_loopback(&url)) {
        Ok(())
    } else {
        Err("must start with https://")
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

impl Channel for SlackChannel {
    fn render(&self, job: &Job<'_>) -> Result<Rendered, RenderError> {
        Ok(Rendered {
            delivery_id: job.delivery_id,
            media_type: "application/json",
            from: String::new(),
            to: self.label.clone().unwrap_or_default(),
            body: job.content.slack().as_bytes().to_vec(),
        })
    }

    fn send<'a>(&'a self, rendered: &'a Rendered, fresh: Fresh<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            // `Outbound` lets no byte of a request out later than its connect timeout (a few
            // seconds) after the call, which is as near as HTTP lets us ask.
            if !fresh() {
                return Outcome::Abandoned { reason: "stale" };
            }
            let url = self.webhook_url.expose();
            let body = rendered.body.clone();
            match self.outbound.post_json(url, body, HeaderMap::new()).await {
                Ok(response) => outcome::of_response(&response, self.clock.now()),
                Err(error) => outcome::of_error(&error),
            }
        })
    }

    fn attempt_time_max(&self) -> Duration {
        self.outbound.policy().timeout + Duration::from_secs(15)
    }

    /// Slack takes about one message a second.
    fn concurrency(&self) -> usize {
        1
    }
}
