//! What `/readyz` asks: the servers, the views, and whether every task still runs.

use deadpool_postgres::Pool;
use tidings_projector::Stops;
use tidings_service::health::Health;
use tidings_service::{nats, postgres};

use super::supervisor::Supervisor;
use super::views::Watch;

/// Registers every check. `groups`: all their tasks must have been spawned.
pub(super) fn register(
    health: &Health,
    pool: &Pool,
    nats: &async_nats::Client,
    views: (&Watch, &Stops),
    groups: &[&Supervisor],
) {
    let pool = pool.clone();
    health.check("postgres", move || {
        let pool = pool.clone();
        async move { postgres::ready(&pool).await }
    });
    let nats = nats.clone();
    health.check("nats", move || std::future::ready(nats::ready(&nats)));
    let (watch, stops) = (views.0.clone(), views.1.clone());
    health.check("views", move || {
        std::future::ready(stops.ready().and_then(|()| watch.ready()))
    });
    for group in groups {
        for name in group.names() {
            let group = (*group).clone();
            health.check(name, move || {
                std::future::ready(match group.ended(name) {
                    None => Ok(()),
                    Some(why) => Err(why),
                })
            });
        }
    }
}
