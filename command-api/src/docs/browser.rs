//! `GET /docs`: the description as a page to read and try things out. All its parts are built in.

use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use tidings_service::Problem;
use utoipa_swagger_ui::Config;

use tidings_service::access::{Access, Route};

pub(super) const ROUTE: Route = ("GET", "/docs", Access::Public);
/// Scripts, styles and icons of the page.
pub(super) const PART: Route = ("GET", "/docs/{part}", Access::Public);

/// Scripts and styles of our own only; Swagger UI sets styles from its script and draws with data: images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json")));

/// A page to browse this description
#[utoipa::path(
    get, path = "/docs", tag = "about",
    responses((status = 200, description = "The page; needs no other server", content_type = "text/html")),
)]
pub(super) async fn browse() -> Result<HttpResponse, Problem> {
    built_in("index.html")
}

pub(super) async fn part(name: web::Path<String>) -> Result<HttpResponse, Problem> {
    built_in(&name)
}

fn built_in(name: &str) -> Result<HttpResponse, Problem> {
    let file = utoipa_swagger_ui::serve(name, CONFIG.clone())
        .map_err(|error| Problem::internal(&std::io::Error::other(error.to_string())))?
        .ok_or_else(|| Problem::not_found("The documentation page has no such part."))?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(file.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY));
    if name == "index.html" {
        // The page is served at /docs, its parts below it.
        let page = String::from_utf8_lossy(&file.bytes)
            .replace("\"./", "\"/docs/")
            .replace("\"index.css\"", "\"/docs/index.css\"")
            .replace("<title>Swagger UI<", "<title>Tidings API<");
        return Ok(response.body(page));
    }
    Ok(response.body(file.bytes.into_owned()))
}
