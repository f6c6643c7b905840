//! What readers do with their mails, as these tell: put on record before the answer, unless that would keep the reader waiting.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::engagement::{Agent, Engagement, Event, Hit, RULES};
use tidings_domain::personal::Personal;
use tidings_domain::stream_id;
use tidings_domain::token::{Done, LinkKeys, TrackingLink};
use tidings_domain::value::{Code, Evidence, Month};
use tidings_event_store::vault::{Under, VaultError};
use tidings_event_store::{CommitError, Context, Loaded, ReadError};
use tidings_service::problem::chain;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::commands::Commands;

/// A reader waits no longer for the log than this.
pub const READERS_WAIT: Duration = Duration::from_secs(2);
/// So many are put on record at once, and no more whoever waits: others have to do with the log, too.
const AT_ONCE_MAX: usize = 256;
/// Times it is tried anew because others were faster.
const ATTEMPTS_MAX: u32 = 5;
const ACTOR: &str = "subscriber:tracking";

/// How what mails tell is known and put on record.
pub(crate) struct Tracking {
    pub(crate) keys: LinkKeys,
    readers_wait: Duration,
    places: Arc<Semaphore>,
}

impl Tracking {
    pub(crate) fn new(keys: LinkKeys, readers_wait: Duration) -> Self {
        Self {
            keys,
            readers_wait,
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }
}

/// What a request says of the program it comes from.
pub(crate) struct Program {
    pub(crate) user_agent: String,
    /// What it says that it fetches for.
    pub(crate) purpose: Option<String>,
}

/// What became of a hit. The reader is answered in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// On record.
    Recorded,
    /// As much as is kept of this message was on record before.
    Full,
    /// There is nobody, or nobody any more, whom it could be recorded of.
    Nobody,
    /// The log did not take it.
    NotTaken,
    /// It was not even begun in time: too many others were under way.
    Crowded,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Full => "full",
            Self::Nobody => "nobody",
            Self::NotTaken => "not_taken",
            Self::Crowded => "crowded",
        }
    }
}

/// Why the log did not take a hit.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Puts on record what was done with a mail. Never fails, and keeps nobody waiting for long: whoever waits wants to get where the link
/// leads. What was begun is ended all the same.
pub(crate) async fn record(
    commands: web::Data<Commands>,
    tracking: &Tracking,
    link: TrackingLink,
    program: Program,
) {
    let what = match link.done {
        Done::Opened => "opened",
        Done::Clicked { .. } => "clicked",
    };
    let places = Arc::clone(&tracking.places);
    let until = Instant::now() + tracking.readers_wait;
    let Ok(Ok(place)) = timeout_at(until, places.acquire_owned()).await else {
        return commands.count_hit(what, Verdict::Crowded.as_str());
    };
    let recording = tokio::spawn(async move {
        let verdict = put_on_record(&commands, &link, &program).await;
        let verdict = verdict.unwrap_or_else(|error| {
            // One for each hit: they are counted.
            tracing::debug!(error = %chain(&error), "what a mail told is not on record");
            Verdict::NotTaken
        });
        commands.count_hit(what, verdict.as_str());
        drop(place);
    });
    // Either it is done, or the reader goes on.
    drop(timeout_at(until, recording).await);
}

async fn put_on_record(
    commands: &Commands,
    link: &TrackingLink,
    program: &Program,
) -> Result<Verdict, NotTaken> {
    let store = &commands.store;
    // Looked for and not made: the token may name somebody whom a log that was put back does not know.
    let ring = store.vault().keys(&[link.subscriber_id]).await?;
    if !ring.knows(link.subscriber_id) || ring.is_shredded(link.subscriber_id) {
        return Ok(Verdict::Nobody);
    }
    // Nothing of what the request brings along for tracing: whoever sent it chose that.
    let context = Context {
        actor: ACTOR.to_owned(),
        correlation_id: commands.ids.next(),
        causation: None,
        occurred_at: commands.clock.now(),
        traceparent: None,
        intent: commands.ids.next(),
        request_digest: None,
    };
    let month = Month::of(context.occurred_at);
    let period = stream_id::engagement_period(month);
    let stream = stream_id::engagement(link.delivery_id);
    let mut is_closed = false;
    let mut attempts = 0;
    loop {
        let version = store.log().version(stream).await?;
        let state = Engagement::at(version);
        let Ok(events) = state.decide(event(link, program, month, is_closed));
        if events.is_empty() {
            return Ok(Verdict::Full);
        }
        let mut draft = store.draft(&context);
        let under = Under {
            owner: link.subscriber_id,
            period: (!is_closed).then_some(period),
        };
        let loaded = Loaded::known(stream, state, version);
        draft.append_behind(loaded, events, under, Some(link.subscriber_id));
        if !is_closed {
            draft.guard(period, 0);
        }
        attempts += 1;
        match draft.commit().await {
            Ok(_) => return Ok(Verdict::Recorded),
            Err(CommitError::Conflict { stream_id, .. }) if attempts < ATTEMPTS_MAX => {
                is_closed |= stream_id == period;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// `is_closed`: no evidence is kept of the month any more.
fn event(link: &TrackingLink, program: &Program, month: Month, is_closed: bool) -> Event {
    let agent = Agent::judge(Some(&program.user_agent), program.purpose.as_deref());
    let known = |evidence| (!is_closed).then_some(Personal::Known(evidence));
    let hit = |evidence| Hit {
        cause: link.cause(),
        content_version: link.content_version,
        channel_id: link.channel_id,
        delivery_id: link.delivery_id,
        subscriber_id: link.subscriber_id,
        month,
        agent: Code::from_static(agent.as_str()),
        machine: agent.is_machine(),
        rules: RULES,
        evidence: known(evidence),
    };
    match &link.done {
        Done::Opened => Event::Opened(hit(Evidence::user_agent(&program.user_agent))),
        Done::Clicked { link_id, url } => Event::Clicked {
            hit: hit(Evidence::of_click(&program.user_agent, url)),
            link_id: (!is_closed).then_some(Personal::<Uuid>::Known(*link_id)),
        },
    }
}
