//! What is reached without a login. For readers the token in the path, or in their mail, says who they are; for whoever
//! carries our mail, a signature.

pub(crate) mod ask;
pub(crate) mod confirm;
mod form;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod mail;
mod page;
pub(crate) mod preferences;
pub(crate) mod ses;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use tidings_domain::value::Evidence;

use tidings_service::access::serve;

const PATH: &str = "/u/{token}";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, join::FORM, join::form);
    serve(cfg, join::JOIN, join::join);
    serve(cfg, join::MAY_JOIN, join::may_join);
    serve(cfg, confirm::ASK, confirm::ask);
    serve(cfg, confirm::CONFIRM, confirm::confirm);
    serve(cfg, ask::ROUTE, ask::ask);
    serve(cfg, leave::ROUTE, leave::leave);
    serve(cfg, preferences::SHOW, preferences::show);
    serve(cfg, preferences::SAVE, preferences::save);
    serve(cfg, mail::ROUTE, mail::receive);
    serve(cfg, ses::ROUTE, ses::receive);
}

/// What is kept of a request as evidence: the program it came from, and no more.
fn evidence(request: &HttpRequest) -> Option<Evidence> {
    let agent = request.headers().get(header::USER_AGENT)?;
    let agent = String::from_utf8_lossy(agent.as_bytes());
    Some(Evidence::user_agent(&agent))
}
