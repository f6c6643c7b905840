//! The `email` kind: one mail per subscriber, over our own SMTP dialogue.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::delivery::retry::Family;
use tidings_domain::topic::Sender as TopicSender;
use tidings_proto::Reason;
use tidings_service::problem::chain;
use tokio_rustls::rustls;
use uuid::Uuid;

use super::account::{Opened, Statement};
use super::{compose, tempo::Tempo};
use crate::channel::{
    Channel, ConfigError, Environment, Job, Kind, LeftAlone, Outcome, PutOff, Reach, RenderError,
    Rendered, Warrant,
};
use crate::senders::Sender;

mod config;
mod connect;
mod dialogue;
mod dkim;
mod domains;
mod host;
mod outcome;
mod pool;
mod reply;
mod speed;
mod wire;

#[cfg(test)]
mod tests;

use config::Config;
use dialogue::Delivery;
use domains::Domains;
use pool::{Pool, Reuse};

pub(super) use host::Host;

/// Settings: `{"host", "port"?, "encryption"?: "starttls"|"tls"|"none", "from", "reply_to"?,
/// "list_id"?, "unsubscribe_mailbox"?, "return_path_domain"?, "connections_max"?, "mails_per_minute"?,
/// "dkim_selector"?, "dkim_domain"?}`. Credentials, if the server wants any: `{"username", "password"}`; and
/// `"dkim_private_key"` beside a selector and a domain.
///
/// `connections_max` and `mails_per_minute` are what the server allows under this login: the smallest number that any enabled
/// channel with the same host, port and username states holds for all of them together, also for those that state none, and
/// the dispatchers that live share it.
pub const KIND: Kind = Kind {
    name: "email",
    reach: Reach::Addressed,
    family: Family::Mail,
    doubt: DoubtPolicy::Hold,
    left_alone: LeftAlone::Never,
    build,
};

/// Attempts worth having open for each connection of a quick server: most of an attempt's time then goes
/// into the commits before and after.
const ATTEMPTS_PER_CONNECTION: usize = 4;
/// What was not used of a rate is saved up for this long: a worker may look around only every second.
const SAVED: Duration = Duration::from_secs(2);
/// How long a test message waits for a connection that deliveries hold.
const TRIAL_WAIT_MAX: Duration = Duration::from_secs(5);
/// The deadline of an attempt. The dialogue ends itself a minute earlier.
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(15 * 60);

struct EmailChannel {
    config: Config,
    pool: Pool,
    domains: Domains,
    /// What it states of its account, while that holds.
    stated: Mutex<Option<Statement>>,
}

impl fmt::Debug for EmailChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailChannel")
            .field("config", &self.config)
            .field("pool", &self.pool)
            .field("tempo", self.tempo())
            .finish_non_exhaustive()
    }
}

fn build(
    settings: &Value,
    credentials: Option<&str>,
    environment: &Environment,
) -> Result<Arc<dyn Channel>, ConfigError> {
    let config = Config::parse(settings, credentials)?;
    Ok(Arc::new(EmailChannel::new(config, environment)))
}

impl EmailChannel {
    fn new(mut config: Config, environment: &Environment) -> Self {
        if let Some(most) = environment.smtp_phase_max {
            config.server.timers.hurry(most);
        }
        let clock = &environment.clock;
        let host = environment
            .accounts
            .host(config.server.name(), SAVED, clock);
        let pool = Pool::new(
            host,
            config.server.clone(),
            Arc::clone(&environment.tls),
            environment.hello_name.clone(),
        );
        Self {
            config,
            pool,
            domains: Domains::new(clock.clone()),
            stated: Mutex::default(),
        }
    }

    fn tempo(&self) -> &Tempo {
        &self.pool.host.account.tempo
    }

    /// Whether a mail may be begun now. Whoever tries the channel wants to see what comes of it: that is counted, and waits for
    /// no rate and no rest.
    fn begins(&self, rendered: &Rendered) -> bool {
        if rendered.attempt == 0 {
            self.tempo().count();
            return true;
        }
        self.tempo().begin(rendered.delivery_id)
    }

    async fn attempt(&self, rendered: &Rendered, warrant: &dyn Warrant) -> Outcome {
        let deadline = tokio::time::Instant::now() + self.config.server.timers.attempt;
        let _counted = self.pool.begin();
        // Whoever tries a channel stands before it: what has waited for so long is told.
        let patience = match rendered.attempt {
            0 => deadline.min(tokio::time::Instant::now() + TRIAL_WAIT_MAX),
            _ => deadline,
        };
        let mut reuse = Reuse::Idle;
        loop {
            let permit = match self.pool.permit(warrant, patience).await {
                Ok(permit) => permit,
                Err(outcome) => return outcome,
            };
            // Waiting for the others says nothing of the server.
            let under_way = self.pool.host.speed.begin();
            let mut lease = match self.pool.lease(permit, reuse, deadline).await {
                Ok(lease) => lease,
                Err(outcome) => {
                    under_way.not_connected();
                    return outcome;
                }
            };
            // Counted only here: opening a connection may have taken long.
            if reuse == Reuse::Idle && !self.begins(rendered) {
                lease.give_back();
                return Outcome::Abandoned {
                    reason: Reason::Paced,
                };
            }
            let delivery = lease
                .connection()
                .deliver(rendered, warrant, deadline)
                .await;
            under_way.ended();
            match delivery {
                Delivery::Done { outcome, reusable } => {
                    if reusable {
                        lease.give_back();
                    }
                    return outcome;
                }
                // The server had left the idle connection; nothing was committed on it.
                Delivery::Stale => reuse = Reuse::Never,
            }
        }
    }
}

impl Channel for EmailChannel {
    fn sender(&self, topic: &TopicSender) -> Option<Sender> {
        Some(self.config.sender(topic))
    }

    fn called(&self, topic: &TopicSender) -> Option<String> {
        self.config.letterhead.called_about(topic)
    }

    fn render(&self, job: &Job<'_>) -> Result<Rendered, RenderError> {
        let mut rendered = compose::mail(&self.config.letterhead, job)?;
        if let Some(dkim) = &self.config.dkim {
            rendered.body = dkim
                .signed(&rendered.body)
                .ok_or(RenderError::Unbuildable)?;
        }
        if let (Some(domain), Some(local)) = (&self.config.return_path_domain, &job.return_path) {
            rendered.from = format!("{local}@{domain}");
        }
        Ok(rendered)
    }

    fn send<'a>(
        &'a self,
        rendered: &'a Rendered,
        warrant: &'a dyn Warrant,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let outcome = self.attempt(rendered, warrant).await;
            self.tempo().learn(&outcome);
            self.domains.learn(rendered, &outcome);
            outcome
        })
    }

    fn attempt_time_max(&self) -> Duration {
        ATTEMPT_TIME_MAX
    }

    fn concurrency(&self) -> usize {
        let most = self.pool.concurrency(ATTEMPTS_PER_CONNECTION);
        self.tempo().concurrency(most)
    }

    fn ready_after(&self) -> Option<Duration> {
        self.tempo().ready_after()
    }

    fn open(&self, delivery_id: Uuid) -> Option<Opened> {
        Some(self.pool.host.account.open(delivery_id))
    }

    fn put_off(&self, rendered: &Rendered, abandons: u32) -> Option<PutOff> {
        let wait = self.domains.wait(rendered, abandons)?;
        Some(PutOff {
            reason: Reason::DomainSlowed,
            wait,
        })
    }

    fn bind(&self, binds: bool) {
        let mut stated = self.stated.lock().unwrap_or_else(PoisonError::into_inner);
        if stated.is_some() != binds {
            *stated = binds.then(|| self.pool.host.account.state(self.config.limits));
        }
    }

    fn wake(&self) {
        self.tempo().wake();
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.pool.close())
    }
}

/// Trust in the system's root certificates, for [`Environment::tls`].
///
/// # Errors
/// The cryptography library offers no usable protocol version.
pub fn system_trust() -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(error = %chain(&error), "a system root certificate cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
