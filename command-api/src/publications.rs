//! Publications: what an editor writes, and its way to the readers.

pub(crate) mod aim;
mod body;
pub(crate) mod cancel;
mod content;
pub(crate) mod draft;
mod front_matter;
mod named;
mod page;
pub(crate) mod pause;
pub(crate) mod publish;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod revise;
pub(crate) mod schedule;
pub(crate) mod unschedule;

use actix_web::web;

use tidings_service::access::serve;

const COLLECTION: &str = "/api/v1/publications";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, draft::ROUTE, draft::draft);
    serve(cfg, revise::ROUTE, revise::revise);
    serve(cfg, publish::ROUTE, publish::publish);
    serve(cfg, schedule::ROUTE, schedule::schedule);
    serve(cfg, unschedule::ROUTE, unschedule::unschedule);
    serve(cfg, pause::ROUTE, pause::pause);
    serve(cfg, resume::ROUTE, resume::resume);
    serve(cfg, cancel::ROUTE, cancel::cancel);
    serve(cfg, retry::ROUTE, retry::retry);
}
