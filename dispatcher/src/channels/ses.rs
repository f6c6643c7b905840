//! The `ses` kind: one mail per subscriber, handed to Amazon SES by version 2 of its API.
//!
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>. SES puts a `Message-ID` and a `Date` of
//! its own in the place of ours, and signs by DKIM itself.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::Value;
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::delivery::retry::Family;
use tidings_domain::topic::Sender as TopicSender;
use tidings_proto::Reason;
use tidings_service::{clock::Clock, outbound::Outbound};
use uuid::Uuid;

use super::account::{Account, Limits, Opened, Statement};
use super::{compose, http};
use crate::channel::{
    Blame, Channel, ConfigError, Environment, Job, Kind, LeftAlone, Outcome, Reach, RenderError,
    Rendered, Warrant,
};
use crate::senders::Sender;

mod config;
mod outcome;
mod request;
mod signature;

#[cfg(test)]
mod tests;

use config::Config;

/// Settings: `{"region", "endpoint"?, "from", "reply_to"?, "list_id"?, "unsubscribe_mailbox"?, "configuration_set"?,
/// "mails_per_second"?}`; the endpoint a URL without a path. Credentials: `{"access_key_id", "secret_access_key",
/// "session_token"?}`.
///
/// `mails_per_second` is what the account may send: the smallest number that any enabled channel with the same endpoint and
/// access key states holds for all of them together, and the dispatchers that live share it.
pub const KIND: Kind = Kind {
    name: "ses",
    reach: Reach::Addressed,
    family: Family::MailApi,
    // SES has nothing by which it knows a copy.
    doubt: DoubtPolicy::Hold,
    left_alone: LeftAlone::Never,
    build,
};

/// Attempts worth having open at once: at a tenth of a second each, far more mails than most accounts may send.
const CONCURRENCY: usize = 32;
/// What was not used of the rate is saved up for this long: SES counts by the second.
const SAVED: Duration = Duration::from_millis(500);
/// How long SES is left alone once the day's quota is used up. It counts the last 24 hours, so some is free again before
/// long; one mail then finds out.
const QUOTA_REST: Duration = Duration::from_secs(3_600);

struct SesChannel {
    config: Config,
    outbound: Outbound,
    clock: Clock,
    account: Arc<Account>,
    /// What it states of the account, while that holds.
    stated: Mutex<Option<Statement>>,
}

// The keys are secret.
impl fmt::Debug for SesChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SesChannel")
            .field("url", &self.config.url)
            .field("tempo", &self.account.tempo)
            .finish_non_exhaustive()
    }
}

fn build(
    settings: &Value,
    credentials: Option<&str>,
    environment: &Environment,
) -> Result<Arc<dyn Channel>, ConfigError> {
    let config = Config::parse(settings, credentials, environment)?;
    let (name, clock) = (config.account.clone(), &environment.clock);
    Ok(Arc::new(SesChannel {
        account: environment.accounts.ses(name, SAVED, clock),
        config,
        outbound: environment.outbound.clone(),
        clock: environment.clock.clone(),
        stated: Mutex::default(),
    }))
}

impl SesChannel {
    async fn attempt(&self, rendered: &Rendered, warrant: &dyn Warrant) -> Outcome {
        let Some(body) = request::body(&self.config, rendered) else {
            return Outcome::Failed {
                reason: Reason::MessageTooLarge,
                code: 0,
                reply: "the mail has more than 40 MB in Base64".to_owned(),
                blame: Blame::Receiver,
            };
        };
        if rendered.attempt == 0 {
            // Whoever tries the channel wants to see what comes of it.
            self.account.tempo.count();
        } else if !self.account.tempo.begin(rendered.delivery_id) {
            return Outcome::Abandoned {
                reason: Reason::Paced,
            };
        }
        let (url, now) = (&self.config.url, self.clock.now());
        let Some(headers) = self.config.signer.headers(url, &body, now) else {
            return Outcome::Deferred {
                reason: Reason::NotSigned,
                code: 0,
                reply: "the request can not be signed".to_owned(),
                retry_after: None,
                blame: Blame::Channel,
            };
        };
        match http::post(&self.outbound, url, body, headers, warrant).await {
            Ok(response) => outcome::of_response(&response, self.clock.now()),
            Err(outcome) => outcome,
        }
    }
}

impl Channel for SesChannel {
    fn render(&self, job: &Job<'_>) -> Result<Rendered, RenderError> {
        let rendered = compose::mail(&self.config.letterhead, job)?;
        // SES writes to no address outside ASCII (SMTPUTF8); the domain is in ASCII by now.
        if !rendered.to.is_ascii() {
            return Err(RenderError::BadAddress);
        }
        Ok(rendered)
    }

    fn sender(&self, topic: &TopicSender) -> Option<Sender> {
        Some(Sender {
            from_domain: self.config.letterhead.domain_of_from(topic),
            return_path_domain: None,
            relay: None,
            signer: None,
        })
    }

    fn called(&self, topic: &TopicSender) -> Option<String> {
        self.config.letterhead.called_about(topic)
    }

    fn send<'a>(
        &'a self,
        rendered: &'a Rendered,
        warrant: &'a dyn Warrant,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let outcome = self.attempt(rendered, warrant).await;
            let is_test = rendered.attempt == 0;
            if outcome::is_of_the_day(&outcome) {
                // One that is tried meanwhile finds out nothing new.
                if is_test && self.account.tempo.ready_after().is_some() {
                    return outcome;
                }
                tracing::warn!(
                    "Amazon SES takes no more mails today: the channel rests for an hour"
                );
                self.account.tempo.rest(QUOTA_REST);
            } else {
                self.account.tempo.learn(&outcome);
            }
            outcome
        })
    }

    fn bind(&self, binds: bool) {
        let mut stated = self.stated.lock().unwrap_or_else(PoisonError::into_inner);
        if stated.is_some() != binds {
            let per_second = self.config.mails_per_second;
            let limits = Limits {
                per_minute: per_second.map(|per_second| per_second.saturating_mul(60)),
                connections: None,
            };
            *stated = binds.then(|| self.account.state(limits));
        }
    }

    fn wake(&self) {
        self.account.tempo.wake();
    }

    fn attempt_time_max(&self) -> Duration {
        http::attempt_time_max(&self.outbound)
    }

    fn concurrency(&self) -> usize {
        self.account.tempo.concurrency(CONCURRENCY)
    }

    fn ready_after(&self) -> Option<Duration> {
        self.account.tempo.ready_after()
    }

    fn open(&self, delivery_id: Uuid) -> Option<Opened> {
        Some(self.account.open(delivery_id))
    }
}
