//! What this room answers over HTTP, since it owns the renderers and the ways out: how a publication will look,
//! a message sent to try a channel, and how a channel is.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::web;
use serde::Deserialize;
use tidings_domain::channel::Channel as ChannelState;
use tidings_domain::id::IdKey;
use tidings_domain::publication::Publication;
use tidings_domain::stream_id;
use tidings_domain::topic::{Sender, Topic};
use tidings_domain::value::Slug;
use tidings_event_store::view::{Reached, reached};
use tidings_event_store::{LoadError, RETRY_AFTER, Store};
use tidings_service::access::{Gate, Route, serve};
use tidings_service::config::PublicUrl;
use tidings_service::hindrance::{Hindrance, Hindrances};
use tidings_service::http::AT_LEAST_PATIENCE;
use tidings_service::problem::chain;
use tidings_service::{Clock, Ids, Problem};
use tokio::sync::Semaphore;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::causes::topics;
use crate::channel::{About, Channel, Environment, Job, Reach, Recipient};
use crate::content::Composed;
use crate::roster::{Roster, Way};
use crate::working::working;
use tries::Tries;

pub mod audience;
pub mod dns;
pub mod health;
pub mod preview;
pub mod trial;
mod tries;

/// Every route that [`routes`] registers.
pub const ROUTES: &[Route] = &[
    preview::ROUTE,
    trial::PUBLICATION,
    trial::CHANNEL,
    health::ROUTE,
    dns::ROUTE,
    audience::ROUTE,
];

/// OpenAPI description of [`ROUTES`].
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    preview::preview,
    trial::test_publication,
    trial::test_channel,
    health::channel_health,
    dns::channel_dns,
    audience::get_audience
), modifiers(&Gate))]
pub struct Api;

/// Registers them. Needs `web::Data<Desk>`, `web::Data<Authenticator>` and the edge of `service::http`.
pub fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, preview::ROUTE, preview::preview);
    serve(cfg, trial::PUBLICATION, trial::test_publication);
    serve(cfg, trial::CHANNEL, trial::test_channel);
    serve(cfg, health::ROUTE, health::channel_health);
    serve(cfg, dns::ROUTE, dns::channel_dns);
    serve(cfg, audience::ROUTE, audience::get_audience);
}

/// The state of these routes; register it as `web::Data<Desk>`.
pub struct Desk {
    store: Store,
    clock: Clock,
    ids: Ids,
    id_key: IdKey,
    public_url: PublicUrl,
    roster: Roster,
    tries: Tries,
    /// Whom the DNS is asked at; none: where this machine asks.
    dns_server: Option<SocketAddr>,
    dns_checks: Semaphore,
}

/// Where it would go.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Where {
    /// The channel.
    pub channel_id: Uuid,
}

/// Events at the end of the log that are looked at for whether a channel is slowed down.
const LOOKED_AT: i64 = 1_000;

/// Whom a preview is addressed to.
const SAMPLE_READER: &str = "reader@example.org";

impl Desk {
    /// Over one log, with channels of its own. Trying one counts among what deliveries may do at its account.
    pub fn new(
        store: Store,
        clock: Clock,
        ids: Ids,
        id_key: IdKey,
        public_url: PublicUrl,
        environment: Environment,
    ) -> Self {
        Self {
            roster: Roster::for_trying(store.clone(), environment),
            tries: Tries::new(clock.clone()),
            dns_server: None,
            dns_checks: Semaphore::new(dns::CHECKS_MAX),
            store,
            clock,
            ids,
            id_key,
            public_url,
        }
    }

    /// Asks this server about the DNS instead of those that this machine asks.
    #[must_use]
    pub fn with_dns_server(self, dns_server: Option<SocketAddr>) -> Self {
        Self { dns_server, ..self }
    }

    /// A channel as it is set up now, whether it is enabled or not.
    async fn way(&self, channel_id: Uuid) -> Result<Arc<Way>, Problem> {
        let way = self
            .roster
            .refresh(channel_id)
            .await
            .map_err(|error| load(&error))?;
        match way.state {
            ChannelState::Unknown => Err(Problem::not_found("There is no channel of that id.")),
            _ => Ok(way),
        }
    }

    /// What hinders channels, for those who tell of what waits for them. What can not be read is not told.
    pub fn hindrances(self: Arc<Self>) -> Hindrances {
        Arc::new(move |channels: Vec<Uuid>| {
            let desk = self.clone();
            Box::pin(async move { desk.hindrances_of(&channels).await })
        })
    }

    async fn hindrances_of(&self, channels: &[Uuid]) -> HashMap<Uuid, Hindrance> {
        let mut found: HashMap<Uuid, Hindrance> = HashMap::new();
        for (channel_id, wrong) in self.roster.unusable(channels).await {
            found.entry(channel_id).or_default().unusable = Some(wrong);
        }
        match working(self.store.log(), channels, LOOKED_AT).await {
            Ok(all) => {
                for it in all.into_iter().filter(|it| it.slowed.is_some()) {
                    found.entry(it.channel_id).or_default().slowed = it.slowed;
                }
            }
            Err(error) => {
                tracing::debug!(error = %chain(&error), "how channels work can not be read");
            }
        }
        found
    }

    /// How far these views are, once they are as far as was asked for.
    async fn position(
        &self,
        views: &[&'static str],
        at_least: Option<i64>,
    ) -> Result<i64, Problem> {
        let found = reached(self.store.log(), views, at_least, AT_LEAST_PATIENCE).await;
        match found.map_err(|error| away(&error))? {
            Reached::At(position) => Ok(position),
            Reached::Behind(position) => Err(Problem::behind(position, at_least.unwrap_or(0))),
            Reached::Unborn => Err(Problem::view_unborn()),
        }
    }

    /// What mails about a topic bear.
    async fn sender_of_topic(&self, slug: &str) -> Result<Sender, Problem> {
        let unknown =
            || Problem::bad_request(format!("There is no topic {slug:?}: name one by its slug."));
        let slug = Slug::parse(slug).map_err(|_| unknown())?;
        let id = stream_id::topic(&self.id_key, &slug);
        let topic = self.store.load::<Topic>(id).await;
        let topic = topic.map_err(|error| load(&error))?;
        let card = topic.state.card().ok_or_else(unknown)?;
        Ok(card.sender.clone())
    }

    /// What a publication says, composed as it will go out.
    async fn content(&self, publication_id: Uuid) -> Result<Sample, Problem> {
        let loaded = self.store.load::<Publication>(publication_id).await;
        let loaded = loaded.map_err(|error| load(&error))?;
        let Some(draft) = loaded.state.draft() else {
            return Err(Problem::not_found("There is no publication of that id."));
        };
        let content = Composed::of(&draft.content).ok_or_else(|| {
            Problem::conflict("Its text was taken down: there is nothing to show.")
        })?;
        let topics = topics(&self.store, &loaded.state).await;
        let (_, sender) = topics.map_err(|error| load(&error))?;
        Ok(Sample { content, sender })
    }

    /// A delivery that is none: to this address, if the channel has single receivers, with a link to leave that
    /// names nobody.
    fn job<'a>(&self, sample: &'a Sample, publication_id: Uuid, reader: Option<&str>) -> Job<'a> {
        Job {
            delivery_id: self.ids.next(),
            attempt: 0,
            about: About::Publication(publication_id),
            content: &sample.content,
            recipient: reader.map(|email| Recipient {
                subscriber_id: Uuid::nil(),
                email: email.to_owned(),
                name: None,
            }),
            unsubscribe_url: reader.map(|_| self.public_url.join("/u/sample")),
            preferences_url: reader.map(|_| self.public_url.join("/p/sample")),
            sender: &sample.sender,
            return_path: None,
            tracking: None,
            date: self.clock.now(),
        }
    }
}

/// What is shown or tried.
struct Sample {
    content: Composed,
    /// Who it comes from, as far as a topic says so.
    sender: Sender,
}

/// The way out itself, or why there is none.
fn channel(way: &Way) -> Result<&Arc<dyn Channel>, Problem> {
    let wrong = way.wrong.as_deref().unwrap_or_default();
    way.channel.as_ref().ok_or_else(|| {
        Problem::conflict(format!(
            "The channel can not be used as it is set up ({wrong}), until that is mended."
        ))
    })
}

fn is_addressed(way: &Way) -> bool {
    way.kind.is_some_and(|kind| kind.reach == Reach::Addressed)
}

fn load(error: &LoadError) -> Problem {
    match error {
        _ if error.is_wrong_stream() => Problem::not_found("Nothing of this kind has that id."),
        _ if error.is_temporary() => away(error),
        _ if error.is_of_a_later_build() => Problem::later_build(),
        _ => Problem::internal(error),
    }
}

fn away(error: &dyn std::error::Error) -> Problem {
    tracing::warn!(error = %chain(error), "a question found the log away");
    let detail = "The log cannot be read at the moment.";
    Problem::unavailable(detail, RETRY_AFTER.as_secs(), None)
}
