//! The `slack` kind: one message per publication, through an incoming webhook or by a bot.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::delivery::retry::Family;
use tidings_proto::Reason;
use tidings_service::{clock::Clock, config::Secret, outbound::Outbound};
use uuid::Uuid;

use super::{http, pace::Pace};
use crate::{
    channel::{
        Channel, ConfigError, Environment, Job, Kind, LeftAlone, Outcome, Reach, RenderError,
        Rendered, Warrant,
    },
    content::slack::{to_channel, without_pictures},
};

mod config;
mod outcome;
#[cfg(test)]
mod tests;

/// Settings: `{"channel_label"?: "#news"}`, a name for people. Credentials: `{"webhook_url"}`.
/// A bot has `{"bot_token": "xoxb-…"}` for credentials and needs `"channel"` in its settings, the id of one that it is
/// a member of; `"api_url"?` is where its API is.
pub const KIND: Kind = Kind {
    name: "slack",
    reach: Reach::Broadcast,
    family: Family::Http,
    doubt: DoubtPolicy::Hold,
    left_alone: LeftAlone::Never,
    build,
};

/// Slack takes about one message a second.
const PAUSE: Duration = Duration::from_secs(1);

struct SlackChannel {
    label: Option<String>,
    door: Door,
    outbound: Outbound,
    clock: Clock,
    pace: Pace,
    pictureless: Pictureless,
}

/// How messages get in.
enum Door {
    /// Whoever knows the URL can post to its channel.
    Webhook { url: Secret },
    /// A bot posts to the channels it is a member of.
    Bot {
        /// Of `chat.postMessage`.
        url: String,
        /// `Bearer` and the token; marked as not to be printed.
        authorization: HeaderValue,
        channel: String,
    },
}

// Neither the URL of a webhook nor the token of a bot may be printed.
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
    let (label, door) = config::read(settings, credentials, environment)?;
    Ok(Arc::new(SlackChannel {
        label,
        door,
        outbound: environment.outbound.clone(),
        clock: environment.clock.clone(),
        pace: Pace::new(environment.clock.clone()),
        pictureless: Pictureless::default(),
    }))
}

impl Channel for SlackChannel {
    fn render(&self, job: &Job<'_>) -> Result<Rendered, RenderError> {
        let message = job.content.slack();
        let (to, body) = match &self.door {
            Door::Webhook { .. } => (self.label.clone(), message.to_owned()),
            Door::Bot { channel, .. } => (Some(channel.clone()), to_channel(message, channel)),
        };
        Ok(Rendered {
            delivery_id: job.delivery_id,
            attempt: job.attempt,
            media_type: "application/json",
            from: String::new(),
            to: to.unwrap_or_default(),
            body: body.into_bytes(),
        })
    }

    fn send<'a>(
        &'a self,
        rendered: &'a Rendered,
        warrant: &'a dyn Warrant,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let plain = || {
                str::from_utf8(&rendered.body)
                    .ok()
                    .and_then(without_pictures)
            };
            let is_known = self.pictureless.has(rendered.delivery_id);
            let known = is_known.then(plain).flatten();
            let is_plain = known.is_some();
            let body = known.map_or_else(|| rendered.body.clone(), String::into_bytes);
            let outcome = self.post(body, warrant).await;
            let refused = matches!(&outcome, Outcome::Failed { reason, .. } if *reason == Reason::InvalidPayload);
            let Some(body) = (refused && !is_plain).then(plain).flatten() else {
                return outcome;
            };
            // Slack has taken nothing of it, so a second request doubles nothing. It may be kept from being made, or be
            // refused for another reason: then the next attempt begins with it.
            if rendered.attempt > 0 {
                self.pictureless.add(rendered.delivery_id);
            }
            let outcome = self.post(body.into_bytes(), warrant).await;
            self.pace.rest(2 * PAUSE);
            outcome
        })
    }

    /// Of two requests.
    fn wake(&self) {
        self.pace.wake();
    }

    fn attempt_time_max(&self) -> Duration {
        http::attempt_time_max(&self.outbound) + self.outbound.policy().timeout
    }

    fn concurrency(&self) -> usize {
        1
    }

    fn ready_after(&self) -> Option<Duration> {
        self.pace.ready_after()
    }
}

impl SlackChannel {
    async fn post(&self, body: Vec<u8>, warrant: &dyn Warrant) -> Outcome {
        let (url, headers) = self.door.request();
        let answer = http::post(&self.outbound, url, body, headers, warrant).await;
        self.pace.rest(PAUSE);
        let outcome = match answer {
            Ok(response) => {
                let answer = http::Answer::new(&response, self.clock.now());
                match &self.door {
                    Door::Webhook { .. } => outcome::of_webhook(answer),
                    Door::Bot { .. } => outcome::of_api(answer, &response.body),
                }
            }
            Err(outcome) => outcome,
        };
        if let Some(rest) = http::rest_after(&outcome) {
            self.pace.rest(rest);
        }
        outcome
    }
}

/// Deliveries whose pictures Slack could not have, the latest last. Lost with the process: then it is found out anew.
#[derive(Default)]
struct Pictureless(Mutex<Vec<Uuid>>);

impl Pictureless {
    /// Most that are remembered.
    const COUNT_MAX: usize = 64;

    fn has(&self, delivery_id: Uuid) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&delivery_id)
    }

    fn add(&self, delivery_id: Uuid) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::COUNT_MAX {
            known.remove(0);
        }
        known.push(delivery_id);
    }
}

impl Door {
    /// Where to post, and under which headers.
    fn request(&self) -> (&str, HeaderMap) {
        let mut headers = HeaderMap::new();
        match self {
            Self::Webhook { url } => (url.expose(), headers),
            Self::Bot {
                url, authorization, ..
            } => {
                // Without the charset Slack answers every call with a warning.
                let json = HeaderValue::from_static("application/json; charset=utf-8");
                headers.insert(CONTENT_TYPE, json);
                headers.insert(AUTHORIZATION, authorization.clone());
                (url, headers)
            }
        }
    }
}
