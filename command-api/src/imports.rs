//! Imports: a file of subscribers is taken in whole, and worked off behind the caller's back.

mod file;
mod layout;
mod own;
mod record;
pub(crate) mod start;
mod stored;
mod worker;

use actix_web::web;

pub use worker::{ImportError, ImportWorker};

use tidings_service::access::serve;

const COLLECTION: &str = "/api/v1/imports";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, start::ROUTE, start::start);
}
