//! Who may call what. Every route is registered through its row here, so that no handler runs, and
//! no body is read, before the caller was let in.

mod scope;

use crate::auth::{Principal, Role};
use crate::http;
use crate::problem::{self, Problem};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, Handler, HttpMessage as _, Responder, ResponseError as _, guard, web};
use actix_web::{FromRequest, http::Method};
use utoipa::Modify;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{Content, OpenApi, Ref, ResponseBuilder, SecurityRequirement};

pub use scope::{scope_of, scopes};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a token.
    Public,
    /// Callers with one of these roles, and admins.
    Roles(&'static [Role]),
}

/// Method, path and access of one endpoint.
pub type Route = (&'static str, &'static str, Access);

/// Registers a handler under its route, behind the gate its access asks for. The caller's [`Principal`]
/// then is in the request's extensions.
pub fn serve<F, Args>(cfg: &mut web::ServiceConfig, route: Route, handler: F)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let (method, path, access) = route;
    let scope = scope_of(method, path);
    let method = Method::from_bytes(method.as_bytes()).expect("methods in the source are methods");
    let gate = from_fn(move |request, next| gate(access, scope.clone(), request, next));
    // The method is the resource's guard, not its route's: another room may serve the same path
    // with other methods.
    cfg.service(
        web::resource(path)
            .guard(guard::Method(method))
            .wrap(gate)
            .to(handler),
    );
}

async fn gate<B: MessageBody>(
    access: Access,
    scope: Option<String>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if let Access::Roles(roles) = access {
        let admitted = request.extract::<Principal>().await;
        match admitted.and_then(|principal| {
            let permitted = principal.permit(roles, scope.as_deref());
            permitted.map(|()| principal)
        }) {
            Ok(principal) => drop(request.extensions_mut().insert(principal)),
            Err(problem) => return Ok(refuse(request, &problem)),
        }
        // What a read takes its extractor knows.
        if request.method() != Method::GET
            && let Err(problem) = http::no_query(request.query_string())
        {
            return Ok(refuse(request, &problem));
        }
    }
    next.call(request)
        .await
        .map(ServiceResponse::map_into_left_body)
}

/// An answer, not an error: the outer layers add their headers to answers only.
fn refuse<B>(request: ServiceRequest, problem: &Problem) -> ServiceResponse<EitherBody<B>> {
    let response = problem.error_response().map_into_right_body();
    request.into_response(response)
}

/// Describes of every guarded route what it answers before its handler runs, and the scope that an API key needs for
/// it; a modifier of each room's description.
pub struct Gate;

/// The name of the security scheme of API keys in descriptions.
pub const API_KEY_SCHEME: &str = "api_key";

/// Status and description.
const BEFORE: [(&str, &str); 3] = [
    (
        "400",
        "The path's id is none, a query parameter is unknown or malformed, or the body is no JSON",
    ),
    ("401", "No token or API key, or one that is not valid"),
    (
        "403",
        "The token's or key's roles do not allow this, or the key lacks the scope",
    ),
];

impl Modify for Gate {
    fn modify(&self, openapi: &mut OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            for (method, operation) in guarded(item) {
                if let Some(scope) = scope_of(method, path) {
                    let by_key = SecurityRequirement::new(API_KEY_SCHEME, [scope]);
                    operation.security.get_or_insert_default().push(by_key);
                }
                for (status, description) in BEFORE {
                    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                    let response = ResponseBuilder::new()
                        .description(description)
                        .content(problem::MEDIA_TYPE, problem)
                        .build();
                    let responses = &mut operation.responses.responses;
                    responses
                        .entry(status.to_owned())
                        .or_insert(response.into());
                }
            }
        }
    }
}

/// The operations of a path that ask who calls.
fn guarded(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    let there = all
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)));
    there.filter(|(_, operation)| operation.security.is_some())
}
