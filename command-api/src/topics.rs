//! Topics: what readers can ask for and leave.

pub(crate) mod archive;
mod card;
pub(crate) mod define;
pub(crate) mod revise;

use actix_web::web;

use tidings_service::access::serve;

const COLLECTION: &str = "/api/v1/topics";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, define::ROUTE, define::define);
    serve(cfg, revise::ROUTE, revise::revise);
    serve(cfg, archive::ROUTE, archive::archive);
}
