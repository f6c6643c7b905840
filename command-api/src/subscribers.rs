//! Subscribers: who wants to hear from us.

pub(crate) mod change;
pub(crate) mod erase;
pub(crate) mod find;
mod joining;
mod matter;
pub(crate) mod preferences;
mod registration;
pub(crate) mod resubscribe;
pub(crate) mod sign_up;
pub(crate) mod unsubscribe;
mod word;

use actix_web::web;

pub(crate) use joining::Joining;
pub(crate) use registration::{
    Brought, Noted, OnRecord, Outcome, Registration, RegistrationError, lift,
};

use tidings_service::access::serve;

const COLLECTION: &str = "/api/v1/subscribers";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, sign_up::ROUTE, sign_up::sign_up);
    serve(cfg, find::ROUTE, find::find);
    serve(cfg, unsubscribe::ROUTE, unsubscribe::unsubscribe);
    serve(cfg, resubscribe::ROUTE, resubscribe::resubscribe);
    serve(cfg, preferences::ROUTE, preferences::set_preferences);
    serve(cfg, change::ROUTE, change::change);
    serve(cfg, erase::ROUTE, erase::erase);
}
