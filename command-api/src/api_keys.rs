//! API keys: how other programs get in. Made, rotated and revoked here; verified for every room.

pub(crate) mod create;
mod issued;
mod life;
pub(crate) mod revoke;
pub(crate) mod rotate;
mod uses;
mod verify;

use actix_web::web;

use tidings_service::access::serve;

pub use uses::KeyUses;
pub(crate) use verify::ApiKeys;

const COLLECTION: &str = "/api/v1/api-keys";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, create::ROUTE, create::create);
    serve(cfg, rotate::ROUTE, rotate::rotate);
    serve(cfg, revoke::ROUTE, revoke::revoke);
}
