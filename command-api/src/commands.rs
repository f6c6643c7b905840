//! What the commands of this room need: log, clock, ids, keys, and the rules of channel kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tidings_domain::aggregate::Aggregate;
use tidings_domain::delivery::FeedbackSource;
use tidings_domain::id::IdKey;
use tidings_domain::subscriber::Consent;
use tidings_domain::token::LinkKeys;
use tidings_event_store::view::{SkipError, SkipReason};
use tidings_event_store::{Committed, Context, ReadError, Store};
use tidings_service::auth::{Role, VerifyKey};
use tidings_service::config::HttpConfig;
use tidings_service::look::MakeExport;
use tidings_service::metrics::Metrics;
use tidings_service::problem::FieldError;
use tidings_service::{Clock, Ids, Problem};
use uuid::Uuid;

use crate::answer::Answer;
use crate::api_keys::{ApiKeys, KeyUses};
use crate::channels::replay::NotTaken;
use crate::engagement::Tracking;
use crate::feedback::Origin;
use crate::offers::{Offer, Offers};
use crate::own_data::OwnData;
use crate::refusal::{self, Refused};
use crate::request::{Call, Command, Principals};
use crate::sns::Sns;

/// Says what is wrong with a channel's kind, settings and credentials (a JSON text, if there are any).
/// Pointers go into the request body: `#/kind`, `#/settings/host`, `#/credentials/password`.
pub type CheckChannel =
    Arc<dyn Fn(&str, &Value, Option<&str>) -> Result<(), Vec<FieldError>> + Send + Sync>;

/// Has a view of this name skip the event at a position, for ever.
pub type SkipInView = Arc<
    dyn Fn(String, i64, SkipReason, Context) -> BoxFuture<'static, Result<Committed, NotSkipped>>
        + Send
        + Sync,
>;

/// When a publication would be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this moment.
    Now,
    /// Whenever it may be.
    Ever,
}

/// Says why a publication, if it names segments, would go to nobody if it was published then; none: it may go to somebody.
pub type WhyNobody =
    Arc<dyn Fn(Uuid, When) -> BoxFuture<'static, Result<Option<String>, Problem>> + Send + Sync>;

/// Finds the channel that the platform itself writes to a subscriber by, who wants nothing by some; none: there is none that could.
pub type NoticeChannel =
    Arc<dyn Fn(Vec<Uuid>) -> BoxFuture<'static, Result<Option<Uuid>, ReadError>> + Send + Sync>;

/// The public form by which people sign up.
#[derive(Clone, Debug)]
pub struct SignUpForm {
    /// Whose mails they sign up for, as they know it.
    pub organisation: String,
    /// What they agree to.
    pub consent: Consent,
    /// Where forms on other sites post to: `https://news.example.org/join`.
    pub url: String,
    /// Where a form on somebody's own site may lead to afterwards: whole URLs.
    pub return_pages: Vec<String>,
}

/// Why a view did not skip an event.
#[derive(Debug, thiserror::Error)]
pub enum NotSkipped {
    /// There is no view of that name.
    #[error("there is no view of that name")]
    Unknown,
    /// It must not, or it need not, or it could not.
    #[error(transparent)]
    View(#[from] SkipError),
}

/// The state of this room; register it as `web::Data<Commands>`.
pub struct Commands {
    /// Log and vault.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Fresh ids.
    pub ids: Ids,
    /// Key of ids that nobody may guess.
    pub id_key: IdKey,
    /// Keys of the links in mails.
    pub link_keys: LinkKeys,
    /// The rules of channel kinds, which another room owns.
    pub check_channel: CheckChannel,
    /// Limits on bodies.
    pub limits: HttpConfig,
    /// How views skip, which another room knows; without it there are no views.
    pub(crate) skip_in_view: SkipInView,
    /// How what a channel has not taken is found, which another room knows; without it nothing is.
    pub(crate) not_taken: NotTaken,
    /// How readers' choices are found, which another room knows; without it there are none.
    pub(crate) offers: Offers,
    /// The kinds of channels with single receivers, which another room knows; without it none has them.
    pub(crate) addressed_kinds: Vec<&'static str>,
    /// Whether segments pick anybody, which another room knows; without it they are taken to.
    pub(crate) why_nobody: WhyNobody,
    /// By which channel subscribers are asked, which another room knows; without it by none.
    pub(crate) notice_channel: NoticeChannel,
    /// Without it nobody can sign up by themselves.
    pub(crate) sign_up_form: Option<SignUpForm>,
    /// Without it mails tell nothing.
    pub(crate) tracking: Option<Tracking>,
    /// Without it nothing is handed out by links.
    pub(crate) own_data: Option<OwnData>,
    pub(crate) principals: Principals,
    /// Who comes in with a key.
    pub(crate) api_keys: ApiKeys,
    /// What keys can be made for, which all rooms know together; without it nothing.
    pub(crate) scopes: BTreeMap<String, BTreeSet<Role>>,
    /// Whom reports of Amazon SES come from; without it there is no hook for them.
    pub(crate) sns: Option<Sns>,
    /// Where reports of the receiving side are counted.
    metrics: Option<Metrics>,
}

impl Commands {
    /// The commands over one log.
    pub fn new(
        store: Store,
        clock: Clock,
        ids: Ids,
        id_key: IdKey,
        link_keys: LinkKeys,
        check_channel: CheckChannel,
        limits: HttpConfig,
    ) -> Self {
        Self {
            api_keys: ApiKeys::new(store.clone(), clock.clone()),
            scopes: BTreeMap::new(),
            store,
            clock,
            ids,
            id_key,
            link_keys,
            check_channel,
            limits,
            skip_in_view: Arc::new(|_, _, _, _| Box::pin(async { Err(NotSkipped::Unknown) })),
            not_taken: Arc::new(|_| Box::pin(async { Ok(None) })),
            offers: Arc::new(|| Box::pin(async { Ok(Offer::default()) })),
            addressed_kinds: Vec::new(),
            why_nobody: Arc::new(|_, _| Box::pin(async { Ok(None) })),
            notice_channel: Arc::new(|_| Box::pin(async { Ok(None) })),
            sign_up_form: None,
            tracking: None,
            own_data: None,
            principals: Principals::default(),
            sns: None,
            metrics: None,
        }
    }

    /// Lets keys be made for these scopes, each of use to whoever has one of its roles.
    #[must_use]
    pub fn with_scopes(self, scopes: BTreeMap<String, BTreeSet<Role>>) -> Self {
        Self { scopes, ..self }
    }

    /// How every room lets in with API keys: for its [`tidings_service::auth::Authenticator`].
    #[must_use]
    pub fn key_verifier(&self) -> VerifyKey {
        self.api_keys.verifier()
    }

    /// Writes down when API keys are used.
    #[must_use]
    pub fn key_uses(&self) -> KeyUses {
        self.api_keys.uses()
    }

    /// Lets views skip events.
    #[must_use]
    pub fn with_views(self, skip_in_view: SkipInView) -> Self {
        Self {
            skip_in_view,
            ..self
        }
    }

    /// Takes reports of Amazon SES.
    #[must_use]
    pub fn with_ses(self, sns: Sns) -> Self {
        Self {
            sns: Some(sns),
            ..self
        }
    }

    /// Lets webhooks be sent again what they have not taken.
    #[must_use]
    pub fn with_replays(self, not_taken: NotTaken) -> Self {
        Self { not_taken, ..self }
    }

    /// Lets readers choose.
    #[must_use]
    pub fn with_offers(self, offers: Offers) -> Self {
        Self { offers, ..self }
    }

    /// The circumstances of what is done by this request, and has no key to be known by when it comes again.
    pub(crate) fn context(&self, actor: impl Into<String>, origin: &Origin) -> Context {
        Context {
            actor: actor.into(),
            correlation_id: origin.correlation_id,
            causation: None,
            occurred_at: self.clock.now(),
            traceparent: origin.traceparent.clone(),
            intent: self.ids.next(),
            request_digest: None,
        }
    }

    /// Lets publications go to segments, by channels of these kinds: those with single receivers; unless these pick nobody. One
    /// that is scheduled is only asked whether they ever could.
    #[must_use]
    pub fn with_segments(self, addressed_kinds: Vec<&'static str>, why_nobody: WhyNobody) -> Self {
        Self {
            addressed_kinds,
            why_nobody,
            ..self
        }
    }

    /// Lets subscribers be written to.
    #[must_use]
    pub fn with_notices(self, notice_channel: NoticeChannel) -> Self {
        Self {
            notice_channel,
            ..self
        }
    }

    /// Lets people sign up by themselves.
    #[must_use]
    pub fn with_sign_up(self, form: SignUpForm) -> Self {
        Self {
            sign_up_form: Some(form),
            ..self
        }
    }

    /// Takes note of what mails tell about themselves; these keys sign what they say. `readers_wait`: for that to be on record, and no
    /// longer.
    #[must_use]
    pub fn with_tracking(self, keys: LinkKeys, readers_wait: Duration) -> Self {
        Self {
            tracking: Some(Tracking::new(keys, readers_wait)),
            ..self
        }
    }

    /// Lets subscribers have a link to all that is held about them sent to their address. `contact`: how to reach whoever
    /// answers such requests, as people read it; `make`: how the file is made, which another room knows.
    #[must_use]
    pub fn with_own_data(self, contact: String, make: MakeExport) -> Self {
        Self {
            own_data: Some(OwnData::new(contact, make)),
            ..self
        }
    }

    /// Counts what comes in.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }

    /// Counts what a mail told.
    pub(crate) fn count_hit(&self, what: &str, result: &str) {
        if let Some(metrics) = &self.metrics {
            metrics
                .engagement_total
                .with_label_values(&[what, result])
                .inc();
        }
    }

    /// Counts a report of the receiving side.
    pub(crate) fn count_feedback(&self, source: FeedbackSource, result: &str) {
        if let Some(metrics) = &self.metrics {
            let labels = [source.as_str(), result];
            metrics.feedback_total.with_label_values(&labels).inc();
        }
    }

    /// Carries out a command on one stream that exists.
    pub(crate) async fn change<A: Aggregate>(
        &self,
        id: Uuid,
        call: Call,
        body: &[u8],
        command: impl Fn() -> A::Command + Send + Sync,
    ) -> Result<Answer, Problem>
    where
        A::Refusal: Refused,
    {
        let if_match = call.if_match;
        let request = call.begin(self, body).await?;
        self.carry_out::<A>(id, &request, if_match, command).await
    }

    /// The same, of a request that has begun.
    pub(crate) async fn carry_out<A: Aggregate>(
        &self,
        id: Uuid,
        request: &Command,
        if_match: Option<i32>,
        command: impl Fn() -> A::Command + Send + Sync,
    ) -> Result<Answer, Problem>
    where
        A::Refusal: Refused,
    {
        let executed = self
            .store
            .execute::<A>(id, &request.context, if_match, command)
            .await
            .map_err(refusal::of)?;
        Answer::of(&executed, &request.context)
    }

    /// Carries out the command that makes a new stream.
    pub(crate) async fn create<A: Aggregate>(
        &self,
        call: Call,
        body: &[u8],
        command: impl Fn() -> A::Command + Send + Sync,
    ) -> Result<Answer, Problem>
    where
        A::Refusal: Refused,
    {
        let request = call.begin(self, body).await?;
        let id = request.new_stream(self, A::NOUN);
        let executed = self
            .store
            .execute::<A>(id, &request.context, None, command)
            .await
            .map_err(refusal::of)?;
        Answer::of(&executed, &request.context)
    }
}
