//! The `webhook` kind: one signed event per publication to whoever listens, as Standard Webhooks 1.0.0 has it.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::delivery::retry::Family;
use tidings_service::{clock::Clock, outbound::Outbound};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    http,
    pace::Pace,
    settings::{Fields, checked},
};
use crate::{
    channel::{
        Channel, ConfigError, Environment, Fresh, Job, Kind, LeftAlone, Outcome, Reach,
        RenderError, Rendered,
    },
    content::webhook::Article,
};

mod outcome;
mod signature;
#[cfg(test)]
mod tests;

use signature::SigningKey;

/// Settings: `{"url", "label"?}`, the label a name for people. Credentials: `{"secret": "whsec_…",
/// "previous_secret"?: "whsec_…"}`, each 24 to 64 bytes in Base64; while both are there, both sign.
pub const KIND: Kind = Kind {
    name: "webhook",
    reach: Reach::Broadcast,
    family: Family::Webhook,
    // Whoever has it already knows it by its id.
    doubt: DoubtPolicy::ResendOnce,
    left_alone: LeftAlone::Failing {
        after: time::Duration::days(5),
    },
    build,
};

/// More at once would only crowd one destination.
const CONCURRENCY: usize = 4;

struct WebhookChannel {
    label: Option<String>,
    url: String,
    /// The one to use first; then the one it replaces, if any.
    keys: Vec<SigningKey>,
    outbound: Outbound,
    clock: Clock,
    pace: Pace,
}

// The query of a URL may hold a token, and the keys are secret.
impl fmt::Debug for WebhookChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookChannel")
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
    let label = settings.text("label");
    let url = settings.acceptable_url("url", environment);
    let what = "`whsec_` and 24 to 64 bytes in Base64";
    let secret: Option<SigningKey> = credentials.required_parsed("secret", what);
    let previous: Option<SigningKey> = credentials.parsed("previous_secret", what);
    let channel = url.zip(secret).map(|(url, secret)| WebhookChannel {
        label,
        url: url.into(),
        keys: std::iter::once(secret).chain(previous).collect(),
        outbound: environment.outbound.clone(),
        clock: environment.clock.clone(),
        pace: Pace::new(environment.clock.clone()),
    });
    Ok(Arc::new(checked(channel, [settings, credentials])?))
}

/// The body.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    publication_id: Uuid,
    delivery_id: Uuid,
    #[serde(flatten)]
    article: &'a Article,
}

impl Channel for WebhookChannel {
    fn render(&self, job: &Job<'_>) -> Result<Rendered, RenderError> {
        let event = Event {
            kind: "publication.published",
            timestamp: rfc3339(job.date)?,
            data: Data {
                publication_id: job.about.publication()?,
                delivery_id: job.delivery_id,
                article: job.content.webhook(),
            },
        };
        Ok(Rendered {
            delivery_id: job.delivery_id,
            attempt: job.attempt,
            media_type: "application/json",
            from: String::new(),
            to: self.label.clone().unwrap_or_default(),
            body: serde_json::to_vec(&event).map_err(|_| RenderError::Unbuildable)?,
        })
    }

    fn send<'a>(&'a self, rendered: &'a Rendered, fresh: Fresh<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            // The id is the same over all attempts, by which the receiver knows a repeat; the time is this attempt's.
            let id = rendered.delivery_id.to_string();
            let at = self.clock.now();
            let headers = signature::headers(&self.keys, &id, at, &rendered.body);
            let body = rendered.body.clone();
            let outcome = match http::post(&self.outbound, &self.url, body, headers, fresh).await {
                Ok(response) => outcome::of_answer(http::Answer::new(&response, self.clock.now())),
                Err(outcome) => outcome,
            };
            // Whoever asks for a rest asks for it of everything that waits, not of this one event.
            if let Some(rest) = http::rest_after(&outcome) {
                self.pace.rest(rest);
            }
            outcome
        })
    }

    fn attempt_time_max(&self) -> Duration {
        http::attempt_time_max(&self.outbound)
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }

    fn ready_after(&self) -> Option<Duration> {
        self.pace.ready_after()
    }
}

fn rfc3339(at: OffsetDateTime) -> Result<String, RenderError> {
    at.format(&Rfc3339).map_err(|_| RenderError::Unbuildable)
}
