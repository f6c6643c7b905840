//! `GET /problems/{slug}`: what a kind of problem means, behind the `type` of every error answer.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use tidings_service::Problem;
use tidings_service::problem::{ProblemType, catalogue};

use crate::html;
use tidings_service::access::{Access, Route};

pub(super) const ROUTE: Route = ("GET", "/problems/{slug}", Access::Public);

/// What a kind of problem means and what to do about it
#[utoipa::path(
    get, path = "/problems/{slug}", tag = "about",
    params(("slug" = String, Path, description = "Last segment of the problem's `type`", example = "validation-failed")),
    responses(
        (status = 200, description = "A page for people", content_type = "text/html"),
        (status = 404, description = "No such kind of problem", content_type = "application/problem+json"),
    ),
)]
pub(super) async fn explain(slug: web::Path<String>) -> Result<HttpResponse, Problem> {
    let kind = catalogue().iter().find(|kind| kind.slug == *slug);
    let kind = kind.ok_or_else(|| Problem::not_found("There is no such kind of problem."))?;
    let (title, doc) = (html::escape(kind.title), html::escape(kind.doc));
    let body = format!(
        "<p>HTTP status {}</p>\n<p>{doc}</p>\n<h2>Others</h2>\n<ul>{}</ul>",
        kind.status,
        others(kind)
    );
    Ok(html::page(StatusCode::OK, &title, &body))
}

fn others(but: &ProblemType) -> String {
    let others = catalogue().iter().filter(|kind| kind.slug != but.slug);
    others
        .map(|kind| {
            format!(
                "\n<li><a href=\"/problems/{}\">{}</a></li>",
                kind.slug,
                html::escape(kind.title)
            )
        })
        .collect()
}
