//! The write side over HTTP: one folder per resource, one file per command. A handler parses, asks the
//! domain, commits, and answers with the position of what it wrote.

mod answer;
pub mod api_keys;
pub mod channels;
mod commands;
mod confirmation;
mod departure;
pub mod docs;
mod engagement;
pub mod feedback;
mod html;
pub mod imports;
pub mod inbound;
mod looks;
mod mime;
mod notices;
mod offers;
mod own_data;
pub mod public;
pub mod publications;
mod refusal;
mod request;
pub mod segments;
pub mod sns;
pub mod subscribers;
pub mod suppressions;
pub mod topics;
pub mod views;

use actix_web::web;
use utoipa::Modify;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

pub use answer::Changed;
pub use api_keys::KeyUses;
pub use channels::replay::{Missed, NotTaken, Wanted};
pub use commands::{
    CheckChannel, Commands, NotSkipped, NoticeChannel, SignUpForm, SkipInView, When, WhyNobody,
};
pub use engagement::READERS_WAIT;
pub use imports::{ImportError, ImportWorker};
pub use looks::recorder;
pub use offers::{Offer, OfferedChannel, OfferedTopic, Offers};
use tidings_service::access::{API_KEY_SCHEME, Gate};
pub use tidings_service::access::{Access, Route};

/// Every route that [`routes`] registers.
pub const ROUTES: &[Route] = &[
    publications::draft::ROUTE,
    publications::revise::ROUTE,
    publications::publish::ROUTE,
    publications::schedule::ROUTE,
    publications::unschedule::ROUTE,
    publications::pause::ROUTE,
    publications::resume::ROUTE,
    publications::cancel::ROUTE,
    publications::retry::ROUTE,
    channels::configure::ROUTE,
    channels::reconfigure::ROUTE,
    channels::enable::ROUTE,
    channels::disable::ROUTE,
    channels::replay::ROUTE,
    subscribers::sign_up::ROUTE,
    subscribers::unsubscribe::ROUTE,
    subscribers::resubscribe::ROUTE,
    subscribers::preferences::ROUTE,
    subscribers::find::ROUTE,
    subscribers::change::ROUTE,
    subscribers::erase::ROUTE,
    suppressions::add::ROUTE,
    suppressions::find::ROUTE,
    suppressions::lift::ROUTE,
    imports::start::ROUTE,
    segments::define::ROUTE,
    segments::revise::ROUTE,
    segments::archive::ROUTE,
    topics::define::ROUTE,
    topics::revise::ROUTE,
    topics::archive::ROUTE,
    api_keys::create::ROUTE,
    api_keys::rotate::ROUTE,
    api_keys::revoke::ROUTE,
    views::skip::ROUTE,
    public::join::FORM,
    public::join::JOIN,
    public::join::MAY_JOIN,
    public::join::SNIPPET,
    public::confirm::ASK,
    public::confirm::CONFIRM,
    public::ask::ROUTE,
    public::leave::ROUTE,
    public::track::ROUTE,
    public::track::LOOK,
    public::preferences::SHOW,
    public::preferences::SAVE,
    public::own_data::ASK,
    public::own_data::take::SHOW,
    public::own_data::take::TAKE,
    public::mail::ROUTE,
    public::ses::ROUTE,
];

/// OpenAPI description of [`ROUTES`].
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        publications::draft::draft,
        publications::revise::revise,
        publications::publish::publish,
        publications::schedule::schedule,
        publications::unschedule::unschedule,
        publications::pause::pause,
        publications::resume::resume,
        publications::cancel::cancel,
        publications::retry::retry,
        channels::configure::configure,
        channels::reconfigure::reconfigure,
        channels::enable::enable,
        channels::disable::disable,
        channels::replay::replay,
        subscribers::sign_up::sign_up,
        subscribers::unsubscribe::unsubscribe,
        subscribers::resubscribe::resubscribe,
        subscribers::preferences::set_preferences,
        subscribers::find::find,
        subscribers::change::change,
        subscribers::erase::erase,
        suppressions::add::add,
        suppressions::find::find,
        suppressions::lift::lift,
        imports::start::start,
        segments::define::define,
        segments::revise::revise,
        segments::archive::archive,
        topics::define::define,
        topics::revise::revise,
        topics::archive::archive,
        api_keys::create::create,
        api_keys::rotate::rotate,
        api_keys::revoke::revoke,
        views::skip::skip,
        public::join::form,
        public::join::join,
        public::join::may_join,
        public::join::snippet,
        public::confirm::ask,
        public::confirm::confirm,
        public::ask::ask,
        public::leave::leave,
        public::track::track,
        public::track::look,
        public::preferences::show,
        public::preferences::save,
        public::own_data::ask,
        public::own_data::take::show,
        public::own_data::take::take,
        public::mail::receive,
        public::ses::receive,
    ),
    modifiers(&Bearer, &Gate),
)]
pub struct Api;

/// Registers every command. Needs `web::Data<Commands>`, `web::Data<Authenticator>` and the edge of
/// `service::http`.
pub fn routes(cfg: &mut web::ServiceConfig) {
    publications::routes(cfg);
    channels::routes(cfg);
    subscribers::routes(cfg);
    suppressions::routes(cfg);
    imports::routes(cfg);
    segments::routes(cfg);
    topics::routes(cfg);
    api_keys::routes(cfg);
    views::routes(cfg);
    public::routes(cfg);
}

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        let key = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("tdk_…")
            .description(Some(
                "An API key, made by an admin with `POST /api/v1/api-keys`. Each endpoint names the scope it takes; \
                 endpoints that name none take no key.",
            ))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        components.add_security_scheme(API_KEY_SCHEME, SecurityScheme::Http(key));
    }
}

#[cfg(test)]
mod tests;
