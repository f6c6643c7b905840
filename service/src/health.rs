//! Liveness, readiness and metrics endpoints.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::{HttpResponse, Responder, web};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::metrics::{Metrics, TEXT_FORMAT};
use crate::problem::Problem;

/// A check that takes longer than this has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Ready, perhaps with a remark; or why not.
type Verdict = Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send>>;

#[derive(Clone)]
struct Check {
    name: String,
    run: Arc<dyn Fn() -> Verdict + Send + Sync>,
}

/// The named things that must work before this process takes requests. Cheap to clone; clones share the list.
#[derive(Clone, Default)]
pub struct Health(Arc<RwLock<Vec<Check>>>);

/// Answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether every component is ready.
    pub ready: bool,
    /// Each component, in the order of registration.
    pub components: Vec<Component>,
}

/// One component of [`Readiness`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Component {
    /// Its name, such as `postgres`.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Why it is not ready; or what an operator should know although it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Health {
    /// No checks yet: ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check, run at each question. Its error says, for an operator, what is not ready; no secrets.
    pub fn check<F, Fut>(&self, name: impl Into<String>, run: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.push(
            name.into(),
            Arc::new(move || {
                let verdict = run();
                Box::pin(async move { verdict.await.map(|()| None) })
            }),
        );
    }

    /// Adds something that keeps nobody from taking requests, but that an operator should know: the component is
    /// ready and has a detail while there is something to say. No secrets.
    pub fn remark<F, Fut>(&self, name: impl Into<String>, run: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<String>> + Send + 'static,
    {
        self.push(
            name.into(),
            Arc::new(move || {
                let remark = run();
                Box::pin(async move { Ok(remark.await) })
            }),
        );
    }

    fn push(&self, name: String, run: Arc<dyn Fn() -> Verdict + Send + Sync>) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Check { name, run });
    }

    /// Runs all checks at the same time, each for at most 2 s.
    pub async fn readiness(&self) -> Readiness {
        let checks = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let components = join_all(checks.into_iter().map(component)).await;
        Readiness {
            ready: components.iter().all(|component| component.ready),
            components,
        }
    }
}

async fn component(check: Check) -> Component {
    let verdict = tokio::time::timeout(CHECK_TIMEOUT, (check.run)()).await;
    let verdict =
        verdict.unwrap_or_else(|_| Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())));
    Component {
        name: check.name,
        ready: verdict.is_ok(),
        detail: verdict.unwrap_or_else(Some),
    }
}

/// Registers `/livez`, `/readyz` and `/metrics`; needs `web::Data<Health>` and `web::Data<Metrics>`.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/livez", web::get().to(livez))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics));
}

/// 200 `ok` as long as the process answers at all.
pub async fn livez() -> impl Responder {
    "ok\n"
}

/// 200 when every check passes, else 503; the body names each component.
pub async fn readyz(health: web::Data<Health>) -> HttpResponse {
    let readiness = health.readiness().await;
    let mut response = if readiness.ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    response.json(readiness)
}

/// All metrics in the Prometheus text format.
///
/// # Errors
/// When a metric cannot be encoded.
pub async fn metrics(metrics: web::Data<Metrics>) -> Result<HttpResponse, Problem> {
    let text = metrics
        .encode()
        .map_err(|error| Problem::internal(&error))?;
    Ok(HttpResponse::Ok().content_type(TEXT_FORMAT).body(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};

    #[actix_web::test]
    async fn readyz_names_what_is_not_ready() {
        let health = Health::new();
        health.check("postgres", || async { Ok(()) });
        health.check("nats", || async { Err("connection refused".to_owned()) });
        let app = init_service(
            App::new()
                .app_data(web::Data::new(health))
                .app_data(web::Data::new(Metrics::new().unwrap()))
                .configure(routes),
        )
        .await;

        let response = call_service(&app, TestRequest::get().uri("/readyz").to_request()).await;
        assert_eq!(response.status(), 503);
        let readiness: Readiness = read_body_json(response).await;
        assert!(readiness.components[0].ready);
        assert_eq!(readiness.components[1].name, "nats");
        let why = readiness.components[1].detail.as_deref();
        assert_eq!(why, Some("connection refused"));

        let live = call_service(&app, TestRequest::get().uri("/livez").to_request()).await;
        assert_eq!(read_body(live).await, "ok\n");
        let scrape = call_service(&app, TestRequest::get().uri("/metrics").to_request()).await;
        let text = read_body(scrape).await;
        assert!(text.starts_with(b"# HELP tidings_"));
    }

    #[tokio::test]
    async fn a_remark_is_told_and_keeps_nobody_away() {
        let health = Health::new();
        health.remark("dispatch", || async { Some("nothing is sent".to_owned()) });
        health.remark("disk", || async { None });
        let readiness = health.readiness().await;
        assert!(readiness.ready);
        let [dispatch, disk] = &readiness.components[..] else {
            panic!("two components");
        };
        assert_eq!(dispatch.detail.as_deref(), Some("nothing is sent"));
        assert_eq!((disk.ready, disk.detail.as_deref()), (true, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_not_ready() {
        let health = Health::new();
        health.check("postgres", std::future::pending);
        let readiness = health.readiness().await;
        assert!(!readiness.ready);
        let why = readiness.components[0].detail.as_deref();
        assert_eq!(why, Some("no answer within 2 s"));
    }
}
