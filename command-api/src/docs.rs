//! What the platform says about itself: the OpenAPI description, a page to browse it that needs no
//! other server, and a page for each kind of problem.

mod browser;
mod openapi;
mod problem;

use actix_web::web;
use utoipa::OpenApi as _;

use tidings_service::access::{Route, serve};

/// The routes registered by [`routes`]; `/docs/{file}` has the parts of the page.
pub const ROUTES: &[Route] = &[openapi::ROUTE, browser::ROUTE, problem::ROUTE];

/// OpenAPI description of [`ROUTES`].
#[derive(utoipa::OpenApi)]
#[openapi(paths(openapi::describe, browser::browse, problem::explain))]
pub struct Api;

/// Serves `openapi`, the merged description of every room, as `/openapi.json`, and the pages.
pub fn routes(cfg: &mut web::ServiceConfig, openapi: &utoipa::openapi::OpenApi) {
    let mut whole = openapi.clone();
    whole.merge(Api::openapi());
    let text = whole
        .to_json()
        .expect("a description is made of JSON values");
    cfg.app_data(web::Data::new(openapi::Description(text.into())));
    serve(cfg, openapi::ROUTE, openapi::describe);
    serve(cfg, browser::ROUTE, browser::browse);
    serve(cfg, browser::PART, browser::part);
    serve(cfg, problem::ROUTE, problem::explain);
}
