//! What is reached without a login. For readers the token in the path, or in their mail, says who they are; for whoever
//! carries our mail, a signature.

pub(crate) mod ask;
mod form;
pub(crate) mod leave;
pub(crate) mod mail;
mod page;
pub(crate) mod preferences;
pub(crate) mod ses;

use actix_web::web;

use tidings_service::access::serve;

const PATH: &str = "/u/{token}";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, ask::ROUTE, ask::ask);
    serve(cfg, leave::ROUTE, leave::leave);
    serve(cfg, preferences::SHOW, preferences::show);
    serve(cfg, preferences::SAVE, preferences::save);
    serve(cfg, mail::ROUTE, mail::receive);
    serve(cfg, ses::ROUTE, ses::receive);
}
