//! What `/readyz` asks: the servers, the views, and whether every task still runs.

use deadpool_postgres::Pool;
use tidings_domain::log::Log;
use tidings_domain::stream_id;
use tidings_event_store::{LoadError, Store};
use tidings_projector::Stops;
use tidings_service::health::Health;
use tidings_service::{nats, postgres};

use super::supervisor::Supervisor;
use super::views::Watch;

/// Why nothing is sent; none: the dispatcher may.
async fn held(store: &Store) -> Result<Option<String>, LoadError> {
    let log = store.load::<Log>(stream_id::log()).await?;
    Ok(log.state.held_by().map(|restored| {
        format!(
            "nothing is sent: the log was restored to position {}; see `tidings dispatch show`, then \
             `tidings dispatch release`",
            restored.after_position
        )
    }))
}

/// Registers every check. `groups`: all their tasks must have been spawned.
pub(super) fn register(
    health: &Health,
    (pool, store): (&Pool, &Store),
    nats: &async_nats::Client,
    views: (&Watch, &Stops),
    groups: &[&Supervisor],
) {
    let pool = pool.clone();
    health.check("postgres", move || {
        let pool = pool.clone();
        async move { postgres::ready(&pool).await }
    });
    let log = store.log().clone();
    health.check("log", move || {
        std::future::ready(log.alive().map_err(|went_back| went_back.to_string()))
    });
    let nats = nats.clone();
    health.check("nats", move || std::future::ready(nats::ready(&nats)));
    let (watch, stops) = (views.0.clone(), views.1.clone());
    health.check("views", move || {
        std::future::ready(stops.ready().and_then(|()| watch.ready()))
    });
    let of_dispatch = store.clone();
    health.remark("dispatch", move || {
        let store = of_dispatch.clone();
        // Without a database the check of the database says so.
        async move { held(&store).await.unwrap_or_default() }
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
