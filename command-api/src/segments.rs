//! Segments: conditions that pick subscribers, kept under a name.

pub(crate) mod archive;
pub(crate) mod define;
mod definition;
pub(crate) mod revise;

use actix_web::web;

use tidings_service::access::serve;

const COLLECTION: &str = "/api/v1/segments";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, define::ROUTE, define::define);
    serve(cfg, revise::ROUTE, revise::revise);
    serve(cfg, archive::ROUTE, archive::archive);
}
