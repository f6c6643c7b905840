//! The rooms: their state, their workers, and their routes with one description of them all.

mod readers;

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::web;
use serde_json::Value;
use tidings_command_api::inbound::maildir::Maildir;
use tidings_command_api::sns::{self, Sns};
use tidings_command_api::{
    Commands, ImportWorker, KeyUses, Missed, NotSkipped, NotTaken, READERS_WAIT, SkipInView,
    Wanted, When, WhyNobody, docs, recorder,
};
use tidings_dispatcher::channel::Environment;
use tidings_dispatcher::channels::{Accounts, Paces, addressed_kinds, email};
use tidings_dispatcher::desk::Desk;
use tidings_dispatcher::erasure::Eraser;
use tidings_dispatcher::queue::DispatchQueue;
use tidings_dispatcher::retention::Retention;
use tidings_dispatcher::{Dispatcher, Limits, TrackingKeys, replay};
use tidings_domain::token::ApiKeyToken;
use tidings_event_store::feed::Feed;
use tidings_event_store::view::Runner;
use tidings_event_store::witness::Standings;
use tidings_event_store::{Context, Store};
use tidings_projector::{AT_LEAST_PATIENCE, ErasureWaits, Projector, Reader, Stops, find, skip};
use tidings_service::access::{Methods, Route, scopes};
use tidings_service::auth::Authenticator;
use tidings_service::config::{Config, PublicUrl};
use tidings_service::metrics::Metrics;
use tidings_service::problem::FieldError;
use tidings_service::{Clock, Outbound};
use utoipa::OpenApi as _;

use super::http::Routes;
use super::supervisor::Supervisor;
use super::views::{QUEUE, all_views};
use super::{Core, Ground, Roles, StartError, witness};
use readers::{notice_channel, offers, organisation, own_data, sign_up_form};

/// What the rooms are built on.
pub(super) struct Site<'a> {
    pub(super) config: &'a Config,
    pub(super) ground: &'a Ground,
    pub(super) core: &'a Core,
    pub(super) feed: &'a Feed,
    pub(super) public_url: &'a PublicUrl,
    pub(super) metrics: &'a Metrics,
    pub(super) witness: Standings,
}

/// The rooms of one process, built but not yet at work.
pub(super) struct Rooms {
    commands: web::Data<Commands>,
    reader: web::Data<Reader>,
    clock: web::Data<Clock>,
    witness: web::Data<Standings>,
    desk: web::Data<Desk>,
    projector: Projector,
    importer: ImportWorker,
    key_uses: KeyUses,
    eraser: Eraser,
    retention: Retention,
    maildir: Option<Maildir>,
    dispatcher: Dispatcher,
    queue: Runner<DispatchQueue>,
}

impl Rooms {
    pub(super) fn build(site: &Site<'_>) -> Result<Self, StartError> {
        let (core, ground) = (site.core, site.ground);
        let environment = environment(site)?;
        let projector = Projector::new(&core.store, site.feed);
        let commands = Commands::new(
            core.store.clone(),
            ground.clock.clone(),
            ground.ids.clone(),
            core.id_key.clone(),
            core.link_keys.clone(),
            Arc::new({
                let environment = environment.clone();
                move |kind: &str, settings: &Value, credentials: Option<&str>| {
                    check_channel(&environment, kind, settings, credentials)
                }
            }),
            site.config.http,
        );
        let eraser = Eraser::new(core.store.clone(), ground.clock.clone());
        let desk = Arc::new(desk(site, &environment));
        let reader = reader(site, &projector)
            .with_erasures(erasures(site.metrics, &eraser))
            .with_hindrances(desk.clone().hindrances());
        let mut commands = commands
            .with_views(skip_in_view(core.store.clone()))
            .with_replays(not_taken(core.store.clone()))
            .with_offers(offers(reader.clone()))
            .with_segments(addressed_kinds(), why_nobody(desk.clone()))
            .with_notices(notice_channel(site))
            .with_tracking(core.tracking_keys.clone(), READERS_WAIT)
            .with_scopes(scopes(every_route()))
            .with_metrics(site.metrics.clone());
        if let Some((contact, make)) = own_data(site, &reader) {
            commands = commands.with_own_data(contact, make);
        }
        if let Some(form) = sign_up_form(site)? {
            commands = commands.with_sign_up(form);
        }
        let topics = site.config.ses.topics.clone();
        if !topics.is_empty() {
            let read_page = sns::pages(environment.outbound.clone());
            commands = commands.with_ses(Sns::new(topics, read_page));
        }
        let key_uses = commands.key_uses();
        let commands = web::Data::new(commands);
        let reader = reader.with_looks(recorder(commands.clone().into_inner()));
        let maildir = site.config.mail.inbound_maildir.clone();
        let maildir = maildir.map(|folder| Maildir::open(commands.clone().into_inner(), folder));
        Ok(Self {
            commands,
            maildir: maildir.transpose()?,
            reader: web::Data::new(reader),
            clock: web::Data::new(ground.clock.clone()),
            witness: web::Data::new(site.witness.clone()),
            desk: web::Data::from(desk),
            projector,
            key_uses,
            importer: ImportWorker::new(
                core.store.clone(),
                ground.clock.clone(),
                core.id_key.clone(),
            ),
            eraser,
            retention: retention(site),
            dispatcher: dispatcher(site, environment),
            queue: Runner::new(core.store.clone(), site.feed.clone()),
        })
    }

    /// Makes the tables of views that do not exist yet, before anybody reads them.
    pub(super) async fn prepare(&mut self) -> Result<(), StartError> {
        self.projector.step().await?;
        match self.queue.step().await {
            // The dispatcher meets the same event, and stops with it on record.
            Err(error) if error.is_final() => Ok(()),
            stepped => Ok(stepped.map(drop)?),
        }
    }

    /// Which views stand still.
    pub(super) fn stops(&self) -> Stops {
        self.projector.stops()
    }

    /// The same door for tokens and API keys.
    pub(super) fn let_keys_in(&self, authenticator: Authenticator) -> Authenticator {
        authenticator.with_keys(ApiKeyToken::MARK, self.commands.key_verifier())
    }

    /// Every route of every room.
    pub(super) fn routes(&self) -> Routes {
        let (commands, reader) = (self.commands.clone(), self.reader.clone());
        let clock = self.clock.clone();
        let (witness, desk) = (self.witness.clone(), self.desk.clone());
        let description = description();
        let methods = web::Data::new(Methods::of_routes(every_route()));
        Arc::new(move |cfg| {
            cfg.app_data(methods.clone())
                .app_data(commands.clone())
                .app_data(reader.clone())
                .app_data(clock.clone())
                .app_data(witness.clone())
                .app_data(desk.clone());
            tidings_command_api::routes(cfg);
            tidings_projector::routes(cfg);
            tidings_dispatcher::desk::routes(cfg);
            docs::routes(cfg, &description);
        })
    }

    /// Puts the workers to work.
    pub(super) fn spawn(self, delivery: &Supervisor, others: &Supervisor, roles: Roles) {
        let Self {
            projector,
            importer,
            key_uses,
            eraser,
            retention,
            maildir,
            dispatcher,
            ..
        } = self;
        let stop = others.stopping();
        others.spawn("projector", async move {
            projector.run(stop).await;
            Ok::<(), Infallible>(())
        });
        let stop = others.stopping();
        others.spawn("imports", async move {
            importer.run(stop).await;
            Ok::<(), Infallible>(())
        });
        let stop = others.stopping();
        others.spawn("uses of API keys", async move {
            key_uses.run(stop).await;
            Ok::<(), Infallible>(())
        });
        let stop = others.stopping();
        others.spawn("erasures", async move {
            eraser.run(stop).await;
            Ok::<(), Infallible>(())
        });
        let stop = others.stopping();
        others.spawn("months of engagement", async move {
            retention.run(stop).await;
            Ok::<(), Infallible>(())
        });
        if let Some(maildir) = maildir {
            let stop = others.stopping();
            others.spawn("returned mail", async move {
                maildir.run(stop).await;
                Ok::<(), Infallible>(())
            });
        }
        if roles == Roles::All {
            let stop = delivery.stopping();
            delivery.spawn("dispatcher", dispatcher.run(stop));
        }
    }
}

/// Every route of the rooms.
fn every_route() -> impl Iterator<Item = &'static Route> {
    let rooms = [
        tidings_command_api::ROUTES,
        tidings_projector::ROUTES,
        tidings_dispatcher::desk::ROUTES,
    ];
    rooms.into_iter().flatten()
}

/// The description of every room's routes; that of the pages around it is added by [`docs`].
#[must_use]
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let mut whole = tidings_command_api::Api::openapi();
    whole.merge(tidings_projector::Api::openapi());
    whole.merge(tidings_dispatcher::desk::Api::openapi());
    whole.info.title = "Tidings".to_owned();
    whole.info.version = env!("CARGO_PKG_VERSION").to_owned();
    whole.info.description = Some(
        "Editors publish once; readers get it by e-mail, Slack, Discord, webhook or as files. Get a \
         token with `tidings token --role editor` and send it as `Authorization: Bearer`."
            .to_owned(),
    );
    whole
}

fn reader(site: &Site<'_>, projector: &Projector) -> Reader {
    let (store, stops) = (site.core.store.clone(), projector.stops());
    Reader::new(store, stops, AT_LEAST_PATIENCE)
        .with_views(&[QUEUE])
        .with_witness(witness::folder(site.config, &site.ground.home))
        .with_engagement_kept(site.config.engagement.keep_months)
}

fn retention(site: &Site<'_>) -> Retention {
    let (store, clock) = (site.core.store.clone(), site.ground.clock.clone());
    Retention::new(store, clock, site.config.engagement.keep_months).no_later_than_the_log()
}

fn environment(site: &Site<'_>) -> Result<Environment, StartError> {
    let outbound = site.config.outbound;
    let hello_name = site.config.mail.hello_name.clone();
    Ok(Environment {
        outbound: Outbound::new(outbound.into())?,
        clock: site.ground.clock.clone(),
        tls: email::system_trust().map_err(|error| StartError::Trust(Box::new(error)))?,
        file_root: site.ground.home.files_dir(),
        allow_loopback: outbound.allow_loopback,
        hello_name: hello_name.unwrap_or_else(|| site.public_url.host().to_owned()),
        smtp_phase_max: None,
        paces: Paces::default(),
        accounts: Accounts::default(),
    })
}

fn dispatcher(site: &Site<'_>, environment: Environment) -> Dispatcher {
    let (core, ground) = (site.core, site.ground);
    Dispatcher::new(tidings_dispatcher::Options {
        store: core.store.clone(),
        feed: site.feed.clone(),
        connect: Arc::clone(&core.connect),
        clock: ground.clock.clone(),
        ids: ground.ids.clone(),
        environment,
        public_url: site.public_url.clone(),
        organisation: organisation(site),
        own_data_contact: site.config.own_data.contact.clone(),
        link_keys: Arc::new(core.link_keys.clone()),
        tracking: Arc::new(TrackingKeys {
            keys: core.tracking_keys.clone(),
            id_key: core.id_key.clone(),
        }),
        metrics: site.metrics.clone(),
        limits: Limits::from(&site.config.dispatcher),
    })
}

/// What erasures wait for; how many of them there are is a figure.
fn erasures(metrics: &Metrics, eraser: &Eraser) -> ErasureWaits {
    let waiting = eraser.waiting();
    let counted = waiting.clone();
    metrics.on_scrape(Box::new(move |metrics| {
        let count = i64::try_from(counted.count()).unwrap_or(i64::MAX);
        metrics.erasures_waiting.set(count);
    }));
    Arc::new(move |subscriber_id| waiting.obstacle(subscriber_id))
}

/// How any room's view skips an event.
fn skip_in_view(store: Store) -> SkipInView {
    Arc::new(move |view: String, position, reason, context: Context| {
        let store = store.clone();
        Box::pin(async move {
            let view = find(&all_views(), &view).map_err(|_| NotSkipped::Unknown)?;
            Ok(skip(&store, &view, &context, position, reason).await?)
        })
    })
}

/// What a channel has not taken, as the dispatcher finds it.
fn not_taken(store: Store) -> NotTaken {
    Arc::new(move |wanted: Wanted| {
        let store = store.clone();
        Box::pin(async move {
            if !replay::knows_copies(&wanted.kind) {
                return Ok(None);
            }
            let span = (wanted.from, wanted.to);
            let found =
                replay::not_taken(store.log(), wanted.channel_id, span, wanted.limit).await?;
            let missed = found.into_iter().map(|it| Missed {
                publication_id: it.publication_id,
                class: it.class,
                published_at: it.published_at,
            });
            Ok(Some(missed.collect()))
        })
    })
}

fn desk(site: &Site<'_>, environment: &Environment) -> Desk {
    Desk::new(
        site.core.store.clone(),
        site.ground.clock.clone(),
        site.ground.ids.clone(),
        site.core.id_key.clone(),
        site.public_url.clone(),
        environment.clone(),
    )
    .with_dns_server(site.config.mail.dns_server)
}

/// Whether segments pick anybody, as the dispatcher finds it.
fn why_nobody(desk: Arc<Desk>) -> WhyNobody {
    Arc::new(move |id, when| {
        let desk = desk.clone();
        Box::pin(async move {
            match when {
                When::Now => desk.why_nobody_now(id).await,
                When::Ever => desk.why_nobody_ever(id).await,
            }
        })
    })
}

/// What is wrong with a channel, in the terms of the request that describes it.
fn check_channel(
    environment: &Environment,
    kind: &str,
    settings: &Value,
    credentials: Option<&str>,
) -> Result<(), Vec<FieldError>> {
    let error = |pointer: String, detail: String| FieldError { detail, pointer };
    let Some(kind) = tidings_dispatcher::channels::find(kind) else {
        let known: Vec<&str> = tidings_dispatcher::channels::KINDS
            .iter()
            .map(|kind| kind.name)
            .collect();
        let detail = format!("must be one of {}", known.join(", "));
        return Err(vec![error("#/kind".to_owned(), detail)]);
    };
    match tidings_dispatcher::channels::check(kind, settings, credentials, environment) {
        Ok(()) => Ok(()),
        Err(wrong) => Err(wrong
            .problems
            .into_iter()
            .map(|problem| {
                // Pointers go into the settings, or into the credentials behind that name.
                let pointer = if problem.pointer.starts_with("/credentials") {
                    format!("#{}", problem.pointer)
                } else {
                    format!("#/settings{}", problem.pointer)
                };
                error(pointer, problem.detail)
            })
            .collect()),
    }
}

#[cfg(test)]
mod refusals;

#[cfg(test)]
mod tests;
