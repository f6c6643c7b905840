//! What readers reach, who have no login: the token in the path, or in their mail, says who they are.

pub(crate) mod ask;
mod form;
pub(crate) mod leave;
pub(crate) mod mail;
mod page;

use actix_web::web;

use tidings_service::access::serve;

const PATH: &str = "/u/{token}";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, ask::ROUTE, ask::ask);
    serve(cfg, leave::ROUTE, leave::leave);
    serve(cfg, mail::ROUTE, mail::receive);
}
