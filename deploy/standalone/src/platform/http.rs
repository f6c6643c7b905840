//! The one HTTP server, with every room's routes behind the common edge.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tidings_service::auth::Authenticator;
use tidings_service::health::{self, Health};
use tidings_service::http::{self, Edge};
use tidings_service::limits::{self, Limits};
use tidings_service::metrics::Metrics;

use super::StartError;
use super::supervisor::Supervisor;

/// Requests under way at a stop get this long.
const GRACE_S: u64 = 10;

/// What stands before every room.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) edge: Edge,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) authenticator: Authenticator,
    pub(super) limits: web::Data<Limits>,
}

/// Registers the routes of the rooms and their state; runs once per worker.
pub(super) type Routes = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// Serves on `listener`, under the supervisor, until the handle is told to stop.
pub(super) fn serve(
    common: Common,
    rooms: Routes,
    listener: TcpListener,
    tasks: &Supervisor,
) -> Result<ServerHandle, StartError> {
    let limits = common.limits.clone();
    common
        .health
        .remark(limits::HEALTH, move || std::future::ready(limits.remark()));
    let server = HttpServer::new(move || {
        let rooms = Arc::clone(&rooms);
        App::new()
            .configure(http::configure(common.edge.clone()))
            .app_data(web::Data::new(common.metrics.clone()))
            .app_data(web::Data::new(common.health.clone()))
            .app_data(web::Data::new(common.authenticator.clone()))
            .app_data(common.limits.clone())
            .configure(health::routes)
            .configure(move |cfg| rooms(cfg))
            .wrap(from_fn(http::security_headers))
            .wrap(from_fn(http::body_deadline))
            .wrap(from_fn(http::request_context))
    })
    .disable_signals()
    .shutdown_timeout(GRACE_S)
    .listen(listener)
    .map_err(StartError::Listener)?
    .run();
    let handle = server.handle();
    tasks.spawn("http", server);
    Ok(handle)
}
