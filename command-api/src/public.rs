//! What is reached without a login. For readers the token in the path, or in their mail, says who they are; for whoever
//! carries our mail, a signature.

pub(crate) mod ask;
pub(crate) mod confirm;
mod form;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod mail;
pub(crate) mod own_data;
mod page;
pub(crate) mod preferences;
pub(crate) mod ses;
pub(crate) mod track;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use tidings_domain::value::Evidence;

use tidings_service::access::{TooMany, serve, serve_counted};
use tidings_service::limits::Policy;

const PATH: &str = "/u/{token}";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, join::FORM, join::form);
    serve_counted(
        cfg,
        join::JOIN,
        (Policy::SignUp, join::too_many),
        join::join,
    );
    serve(cfg, join::MAY_JOIN, join::may_join);
    serve(cfg, join::SNIPPET, join::snippet);
    let links = (Policy::Links, page::too_many as TooMany);
    serve_counted(cfg, confirm::ASK, links, confirm::ask);
    serve_counted(cfg, confirm::CONFIRM, links, confirm::confirm);
    // Never counted: mail programs post here in bulk, from the few addresses of their providers.
    serve(cfg, ask::ROUTE, ask::ask);
    serve(cfg, leave::ROUTE, leave::leave);
    serve_counted(cfg, preferences::SHOW, links, preferences::show);
    // Counts what comes but for who leaves, which only the form says.
    serve(cfg, preferences::SAVE, preferences::save);
    serve_counted(cfg, own_data::ASK, links, own_data::ask);
    serve_counted(cfg, own_data::take::SHOW, links, own_data::take::show);
    serve_counted(cfg, own_data::take::TAKE, links, own_data::take::take);
    // Never counted either: a provider's proxy fetches for all its readers.
    serve(cfg, track::ROUTE, track::track);
    serve(cfg, track::LOOK, track::look);
    serve(cfg, mail::ROUTE, mail::receive);
    serve(cfg, ses::ROUTE, ses::receive);
}

/// What is kept of a request as evidence: the program it came from, and no more.
fn evidence(request: &HttpRequest) -> Option<Evidence> {
    let agent = request.headers().get(header::USER_AGENT)?;
    let agent = String::from_utf8_lossy(agent.as_bytes());
    Some(Evidence::user_agent(&agent))
}
