//! `GET /openapi.json`: every endpoint, described for programs.

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes};

use tidings_service::access::{Access, Route};

pub(super) const ROUTE: Route = ("GET", "/openapi.json", Access::Public);

/// The description of every room, as it is served.
pub(super) struct Description(pub(super) Bytes);

/// The OpenAPI description of this server
#[utoipa::path(
    get, path = "/openapi.json", tag = "about",
    responses((status = 200, description = "An OpenAPI 3.1 document", content_type = "application/json")),
)]
pub(super) async fn describe(description: web::Data<Description>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(description.0.clone())
}
