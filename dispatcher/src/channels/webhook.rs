//! The `webhook` kind: one signed event per publication to whoever listens, as Standard Webhooks 1.0.0 has it.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::Url;
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
        Channel, ConfigError, Environment, Former, Job, Kind, LeftAlone, Outcome, Reach,
        RenderError, Rendered, Warrant,
    },
    content::webhook::Article,
};

mod outcome;
mod signature;
#[cfg(test)]
mod tests;

use signature::SigningKey;

/// Settings: `{"url", "label"?}`, the label a name for people. Credentials: `{"secret": "whsec_…",
/// "previous_secret"?: "whsec_…"}`, each 24 to 64 bytes in Base64; while both are there, both sign. Where no previous one is
/// given, those that the secret took the place of sign too for [`OVERLAP`].
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

/// How long a secret signs after another took its place: as long as receivers have to learn the new one.
const OVERLAP: time::Duration = time::Duration::DAY;

/// More at once would only crowd one destination.
const CONCURRENCY: usize = 4;

struct WebhookChannel {
    label: Option<String>,
    url: String,
    /// The one to use first; then the one it replaces, if any is given.
    keys: Vec<SigningKey>,
    /// Those that were replaced without a word, the latest first, and until when they sign.
    former: Vec<(SigningKey, OffsetDateTime)>,
    outbound: Outbound,
    clock: Clock,
    pace: Pace,
}

// The query of a URL may hold a token, and the keys are secret.
impl fmt::Debug for WebhookChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookChannel")
            .field("label", &self.label)
            .field("former", &self.former.len())
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
        former: Vec::new(),
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

    fn send<'a>(
        &'a self,
        rendered: &'a Rendered,
        warrant: &'a dyn Warrant,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            // The id is the same over all attempts, by which the receiver knows a repeat; the time is this attempt's.
            let id = rendered.delivery_id.to_string();
            let at = self.clock.now();
            let former = self.former.iter().filter(|(_, until)| at < *until);
            let keys = self.keys.iter().chain(former.map(|(key, _)| key));
            let headers = signature::headers(keys, &id, at, &rendered.body);
            let body = rendered.body.clone();
            let outcome = match http::post(&self.outbound, &self.url, body, headers, warrant).await
            {
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

    fn succeeding(&self, before: &[Former<'_>]) -> Option<Arc<dyn Channel>> {
        // Whoever names a previous one says what else is to sign.
        if self.keys.len() > 1 {
            return None;
        }
        let mut former: Vec<(SigningKey, OffsetDateTime)> = Vec::new();
        // What another receiver shared with us is none of this one's business.
        let is_here = |it: &Former<'_>| {
            let url = it.settings["url"].as_str().map(Url::parse);
            url.is_some_and(|url| url.is_ok_and(|url| url.as_str() == self.url))
        };
        for it in before.iter().rev().filter(|it| is_here(it)) {
            let credentials: Value = serde_json::from_str(it.credentials).unwrap_or_default();
            let secret = credentials["secret"].as_str().map(str::parse::<SigningKey>);
            let Some(Ok(key)) = secret else { continue };
            let known = self.keys.iter().chain(former.iter().map(|(key, _)| key));
            if !known.into_iter().any(|known| *known == key) {
                former.push((key, it.replaced_at.saturating_add(OVERLAP)));
            }
        }
        Some(Arc::new(Self {
            label: self.label.clone(),
            url: self.url.clone(),
            keys: self.keys.clone(),
            former,
            outbound: self.outbound.clone(),
            clock: self.clock.clone(),
            pace: Pace::new(self.clock.clone()),
        }))
    }

    fn wake(&self) {
        self.pace.wake();
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
