//! Pages for readers, who have no login: the token in the path says who they are.

pub(crate) mod ask;
mod form;
pub(crate) mod leave;
mod page;

use actix_web::web;

use tidings_service::access::serve;

const PATH: &str = "/u/{token}";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, ask::ROUTE, ask::ask);
    serve(cfg, leave::ROUTE, leave::leave);
}
