//! Views: what an operator says about one that stands still.

pub(crate) mod skip;

use actix_web::web;

use tidings_service::access::serve;

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, skip::ROUTE, skip::skip);
}
