//! The `slack` kind: one message per publication, through an incoming webhook or by a bot.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::delivery::retry::Family;
use tidings_service::{clock::Clock, config::Secret, outbound::Outbound};

use super::{http, pace::Pace};
use crate::{
    channel::{
        Channel, ConfigError, Environment, Fresh, Job, Kind, LeftAlone, Outcome, Reach,
        RenderError, Rendered,
    },
    content::slack::to_channel,
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

    fn send<'a>(&'a self, rendered: &'a Rendered, fresh: Fresh<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (url, headers) = self.door.request();
            let body = rendered.body.clone();
            let answer = http::post(&self.outbound, url, body, headers, fresh).await;
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
        })
    }

    fn attempt_time_max(&self) -> Duration {
        http::attempt_time_max(&self.outbound)
    }

    fn concurrency(&self) -> usize {
        1
    }

    fn ready_after(&self) -> Option<Duration> {
        self.pace.ready_after()
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
