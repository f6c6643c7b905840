//! Who may call what, and how often. Every route is registered through its row here, so that no handler runs, and
//! no body is read, before the caller was let in.

mod scope;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::auth::{Principal, Role};
use crate::http;
use crate::limits::{Counted, Limits, Policy};
use crate::problem::{self, Problem};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{
    Error, Handler, HttpMessage as _, HttpRequest, Responder, ResponseError as _, guard, web,
};
use actix_web::{FromRequest, HttpResponse, http::Method};
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

/// The methods of each path, for whoever comes with another; register it as `web::Data<Methods>`.
#[derive(Debug, Default)]
pub struct Methods(BTreeMap<&'static str, Vec<&'static str>>);

impl Methods {
    /// Those of these routes.
    #[must_use]
    pub fn of_routes<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (method, path, _) in routes {
            all.entry(*path).or_default().push(*method);
        }
        Self(all)
    }

    /// Those of a path, by its pattern; none of one that is not known.
    #[must_use]
    pub fn of(&self, pattern: &str) -> &[&'static str] {
        self.0.get(pattern).map_or(&[], Vec::as_slice)
    }
}

/// Registers a handler under its route, behind the gate its access asks for. The caller's [`Principal`]
/// then is in the request's extensions. Requests are counted by who makes them; those of the public are not.
pub fn serve<F, Args>(cfg: &mut web::ServiceConfig, route: Route, handler: F)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    register(cfg, route, None, handler);
}

/// What is answered to one request too many, to people as they read it.
pub type TooMany = fn(&HttpRequest, &Problem) -> HttpResponse;

/// The same for a route of the public whose requests are counted by the address they are from.
pub fn serve_counted<F, Args>(
    cfg: &mut web::ServiceConfig,
    route: Route,
    (policy, too_many): (Policy, TooMany),
    handler: F,
) where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    register(cfg, route, Some((policy, too_many)), handler);
}

fn register<F, Args>(
    cfg: &mut web::ServiceConfig,
    route: Route,
    by_address: Option<(Policy, TooMany)>,
    handler: F,
) where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let (method, path, access) = route;
    let door = Door {
        access,
        scope: scope_of(method, path),
        by_address,
    };
    let door = Arc::new(door);
    let method = Method::from_bytes(method.as_bytes()).expect("methods in the source are methods");
    let gate = from_fn(move |request, next| gate(Arc::clone(&door), request, next));
    // The method is the resource's guard, not its route's: another room may serve the same path
    // with other methods.
    cfg.service(
        web::resource(path)
            .guard(guard::Method(method))
            .wrap(gate)
            .to(handler),
    );
}

/// What a gate asks of a request.
struct Door {
    access: Access,
    scope: Option<String>,
    by_address: Option<(Policy, TooMany)>,
}

async fn gate<B: MessageBody>(
    door: Arc<Door>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let limits = request.app_data::<web::Data<Limits>>().cloned();
    let mut counted = None;
    if let Access::Roles(roles) = door.access {
        let principal = match request.extract::<Principal>().await {
            Ok(principal) => principal,
            Err(problem) => {
                let problem = problem.for_want_of(roles, door.scope.as_deref());
                return Ok(refuse(request, &problem, None));
            }
        };
        // Before anything else is said: what is refused counts too.
        counted = limits.and_then(|limits| limits.caller(&principal));
        let permitted = permit(counted.as_ref())
            .and_then(|()| principal.permit(roles, door.scope.as_deref()))
            // What a read takes its extractor knows.
            .and_then(|()| match *request.method() {
                Method::GET => Ok(()),
                _ => http::no_query(request.query_string()),
            });
        if let Err(problem) = permitted {
            return Ok(refuse(request, &problem, counted.as_ref()));
        }
        request.extensions_mut().insert(principal);
    } else if let Some((limits, (policy, too_many))) = limits.zip(door.by_address) {
        counted = limits.anybody(policy, request.request());
        if let Err(problem) = permit(counted.as_ref()) {
            let response = too_many(request.request(), &problem);
            return Ok(answer(request, response, counted.as_ref()));
        }
    }
    let mut response = next.call(request).await?;
    if let Some(counted) = counted {
        counted.tell(response.headers_mut());
    }
    Ok(response.map_into_left_body())
}

/// Whether a caller may use a route as well: for what another one shows of it.
#[must_use]
pub fn may_also(principal: &Principal, (method, path, access): Route) -> bool {
    match access {
        Access::Public => true,
        Access::Roles(roles) => {
            let scope = scope_of(method, path);
            principal.permit(roles, scope.as_deref()).is_ok()
        }
    }
}

/// Counts a request of the public, by the address it is from, in the handler of a route where only the body says whether it
/// counts: register that with [`serve`], and tell what was counted on the answer. None: nothing is limited.
#[must_use]
pub fn count(request: &HttpRequest, policy: Policy) -> Option<Counted> {
    let limits = request.app_data::<web::Data<Limits>>()?;
    limits.anybody(policy, request)
}

/// Passes unless there were too many.
///
/// # Errors
/// 429 that names the limit.
pub fn permit(counted: Option<&Counted>) -> Result<(), Problem> {
    counted.map_or(Ok(()), Counted::permit)
}

/// An answer, not an error: the outer layers add their headers to answers only.
fn refuse<B>(
    request: ServiceRequest,
    problem: &Problem,
    counted: Option<&Counted>,
) -> ServiceResponse<EitherBody<B>> {
    answer(request, problem.error_response(), counted)
}

fn answer<B>(
    request: ServiceRequest,
    response: HttpResponse,
    counted: Option<&Counted>,
) -> ServiceResponse<EitherBody<B>> {
    let mut response = response.map_into_right_body();
    if let Some(counted) = counted {
        counted.tell(response.headers_mut());
    }
    request.into_response(response)
}

/// Describes of every guarded route what it answers before its handler runs, and the scope that an API key needs for
/// it; a modifier of each room's description.
pub struct Gate;

/// The name of the security scheme of API keys in descriptions.
pub const API_KEY_SCHEME: &str = "api_key";

/// Status and description.
const BEFORE: [(&str, &str); 4] = [
    (
        "400",
        "The path's id is none, a query parameter is unknown or malformed, or the body is no JSON",
    ),
    ("401", "No token or API key, or one that is not valid"),
    (
        "403",
        "The token's or key's roles do not allow this, or the key lacks the scope",
    ),
    (
        "429",
        "Too many requests: wait as long as `Retry-After` says",
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
