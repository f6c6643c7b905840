//! What every part of the dispatcher works with.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::token::LinkKeys;
use tidings_event_store::session::Connect;
use tidings_event_store::{CommitError, Context, LoadError, ReadError, Store};
use tidings_service::config::PublicUrl;
use tidings_service::metrics::Metrics;
use tidings_service::{Clock, Ids};
use uuid::Uuid;

use crate::attempt::InHand;
use crate::audience::{AudienceError, Obstacle, WhomError};
use crate::breaker::Breaker;
use crate::causes::Causes;
use crate::channel::Environment;
use crate::instance::Instance;
use crate::roster::Roster;
use crate::surroundings::Surroundings;
use crate::tracking::TrackingKeys;

/// Who writes what the dispatcher writes.
pub(crate) const ACTOR: &str = "system:dispatcher";

/// What the dispatcher needs.
pub struct Options {
    /// Log and vault.
    pub store: Store,
    /// The process's subscription to the log.
    pub feed: tidings_event_store::feed::Feed,
    /// For the session that holds the lanes.
    pub connect: Connect,
    /// The time.
    pub clock: Clock,
    /// New ids.
    pub ids: Ids,
    /// What channels are built with.
    pub environment: Environment,
    /// Base of the links in messages.
    pub public_url: PublicUrl,
    /// Who writes to subscribers, as they know them.
    pub organisation: String,
    /// How they reach whoever answers when they ask for their data; none: no link to these is sent.
    pub own_data_contact: Option<String>,
    /// Signs the links in messages.
    pub link_keys: Arc<LinkKeys>,
    /// Signs what mails tell about themselves.
    pub tracking: Arc<TrackingKeys>,
    /// Where outcomes are counted.
    pub metrics: Metrics,
    /// Bounds.
    pub limits: Limits,
}

/// The dispatcher's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Attempts open at once: what a kill leaves in doubt at the most.
    pub open_attempts_max: usize,
    /// Events planned ahead of the queue.
    pub plan_ahead_max: i64,
    /// An attempt's record must be younger than this when the first byte goes out.
    pub attempt_fresh: Duration,
    /// An attempt by mail is in doubt after this long.
    pub email_deadline: Duration,
    /// An attempt by HTTP is in doubt after this long.
    pub http_deadline: Duration,
    /// Reading an audience is given up after this long.
    pub freeze_within: Duration,
}

impl From<&tidings_service::config::DispatcherConfig> for Limits {
    fn from(config: &tidings_service::config::DispatcherConfig) -> Self {
        Self {
            open_attempts_max: config.open_attempts_max,
            plan_ahead_max: config.plan_ahead_max as i64,
            attempt_fresh: config.attempt_fresh,
            email_deadline: config.email_deadline,
            http_deadline: config.http_deadline,
            freeze_within: config.freeze_within,
        }
    }
}

/// Shared by the workers.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) public_url: PublicUrl,
    pub(crate) organisation: String,
    pub(crate) own_data_contact: Option<String>,
    pub(crate) link_keys: Arc<LinkKeys>,
    pub(crate) tracking: Arc<TrackingKeys>,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    pub(crate) instance: Instance,
    pub(crate) roster: Roster,
    pub(crate) breaker: Breaker,
    pub(crate) causes: Causes,
    pub(crate) surroundings: Surroundings,
    pub(crate) in_hand: InHand,
}

impl Core {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            instance: Instance::new(
                options.ids.next(),
                options.connect,
                options.clock.clone(),
                options.environment.accounts.clone(),
            ),
            roster: Roster::new(options.store.clone(), options.environment),
            breaker: Breaker::default(),
            causes: Causes::new(options.store.clone()),
            surroundings: Surroundings::new(options.store.clone()),
            in_hand: InHand::default(),
            store: options.store,
            clock: options.clock,
            ids: options.ids,
            public_url: options.public_url,
            organisation: options.organisation,
            own_data_contact: options.own_data_contact,
            link_keys: options.link_keys,
            tracking: options.tracking,
            metrics: options.metrics,
            limits: options.limits,
        }
    }

    /// The circumstances of something done about a delivery or publication that is already on its way.
    pub(crate) fn context(
        &self,
        correlation_id: Uuid,
        causation: i64,
        traceparent: Option<String>,
        intent: Uuid,
    ) -> Context {
        Context {
            actor: ACTOR.to_owned(),
            correlation_id,
            causation: Some(causation),
            occurred_at: self.clock.now(),
            traceparent,
            intent,
            request_digest: None,
        }
    }
}

/// Why a step of the dispatcher failed. The next step tries again.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The log or a view could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A stream could not be folded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Keys could not be read or destroyed.
    #[error(transparent)]
    Vault(#[from] tidings_event_store::vault::VaultError),
    /// A commit failed for another reason than a guard.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The queue could not be folded.
    #[error(transparent)]
    Queue(#[from] tidings_event_store::view::ViewError),
    /// The session that holds the lanes is away.
    #[error("the session that holds the lanes is away")]
    Session(#[from] tokio_postgres::Error),
    /// The domain refused a reaction, which means the log is not what the reaction took it for.
    #[error("a reaction was refused: {0}")]
    Refused(String),
    /// Nobody can tell whom a publication is for.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
}

impl DispatchError {
    /// Not the trouble of one publication or delivery, but of whatever is done next too: the database was away.
    pub(crate) fn is_everybodys(&self) -> bool {
        match self {
            Self::Read(_) | Self::Queue(_) | Self::Session(_) => true,
            Self::Load(error) => error.is_temporary(),
            Self::Vault(error) => error.is_temporary(),
            Self::Commit(error) => !matches!(
                error,
                CommitError::Conflict { .. } | CommitError::Invalid(_) | CommitError::Refused(_)
            ),
            Self::Refused(_) | Self::Obstacle(_) => false,
        }
    }
}

impl From<WhomError> for DispatchError {
    fn from(error: WhomError) -> Self {
        match error {
            WhomError::Load(error) => error.into(),
            WhomError::Obstacle(obstacle) => obstacle.into(),
        }
    }
}

impl From<AudienceError> for DispatchError {
    fn from(error: AudienceError) -> Self {
        match error {
            AudienceError::Read(error) => error.into(),
            AudienceError::Obstacle(obstacle) => obstacle.into(),
        }
    }
}
