//! `/join`: anybody signs up, with whatever address. Whoever has it is asked by mail, and only their word counts; the answer
//! here is the same whether the address is known or not, and takes no less time.

mod form;
mod mailbox;
mod page;

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _};
use serde::Serialize;
use tidings_event_store::CommitError;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::http::{RequestContext, is_json, read_body};
use tidings_service::limits::Limits;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;

use super::evidence;
use crate::commands::{Commands, SignUpForm};
use crate::refusal;
use crate::subscribers::{Joining, RegistrationError};
use form::SignUp;

pub(crate) const FORM: Route = ("GET", PATH, Access::Public);
pub(crate) const JOIN: Route = ("POST", PATH, Access::Public);
pub(crate) const MAY_JOIN: Route = ("OPTIONS", PATH, Access::Public);
pub(crate) const SNIPPET: Route = ("GET", "/join/snippet", Access::Public);

const PATH: &str = "/join";
const BODY_BYTES_MAX: usize = 16 * 1024;
/// No answer comes sooner, so that its time does not tell whether somebody was written to.
const ANSWER_AFTER: Duration = Duration::from_millis(400);

/// What is said to everybody.
#[derive(Serialize, ToSchema)]
pub(crate) struct Asked {
    /// Always `asked`: whoever has the address is sent a link, unless they get mail already.
    #[schema(example = "asked")]
    status: &'static str,
}

/// The page to sign up
#[utoipa::path(
    get, path = "/join", tag = "public",
    responses(
        (status = 200, description = "A form, and the words to agree to", content_type = "text/html"),
        (status = 404, description = "Nobody can sign up by themselves here", content_type = "text/html"),
    ),
)]
pub(crate) async fn form(commands: web::Data<Commands>) -> HttpResponse {
    match &commands.sign_up_form {
        Some(form) => page::form(form, None),
        None => page::closed(),
    }
}

/// A form to sign up by, for any other site
///
/// HTML as text, to be copied into a page or put there by a script. It shows the words to agree to, and says which they are: when
/// you change the words, change that page too. Until then whoever sends its form gets our page, with the words of today.
#[utoipa::path(
    get, path = "/join/snippet", tag = "public",
    responses(
        (status = 200, description = "The form", body = String, content_type = "text/plain"),
        (status = 404, description = "Nobody can sign up by themselves here", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn snippet(commands: web::Data<Commands>) -> HttpResponse {
    open(match &commands.sign_up_form {
        Some(form) => page::snippet(form),
        None => Problem::not_found(page::CLOSED).error_response(),
    })
}

/// Sign up
///
/// For any site: a form needs the fields `email` and `consent`, the mark of the words it shows (`GET /join/snippet` is such a
/// form). Whoever has the address
/// is sent a link to confirm by, at most three times in 24 hours, and five times however the address is written; until then
/// nothing else is sent. The answer does not tell whether the address is known.
#[utoipa::path(
    post, path = "/join", tag = "public",
    request_body(content(
        (SignUp = "application/x-www-form-urlencoded", example = "email=ada%40example.org&consent=1.242d19b3f776b188"),
        (SignUp = "application/json", example = json!({ "email": "ada@example.org", "consent": "1.242d19b3f776b188" })),
    )),
    responses(
        (status = 200, description = "To a form: a page that says to look for a mail", content_type = "text/html"),
        (status = 202, description = "To JSON", body = Asked),
        (status = 303, description = "To a form with `return`: that page"),
        (status = 404, description = "Nobody can sign up by themselves here", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "No address, or other words than those of today", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "Not written down; `Retry-After` says when to try again", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn join(
    commands: web::Data<Commands>,
    request: HttpRequest,
    origin: RequestContext,
    body: web::Payload,
) -> HttpResponse {
    let json = is_json(request.content_type());
    let Some(form) = &commands.sign_up_form else {
        return match json {
            true => open(Problem::not_found(page::CLOSED).error_response()),
            false => page::closed(),
        };
    };
    let body = read_body(&request, &mut body.into_inner(), BODY_BYTES_MAX).await;
    let work = async {
        let wish = SignUp::read(&body?, json)?;
        let back = wish.return_page(form);
        take(&commands, &request, &origin, form, wish).await?;
        Ok::<_, Problem>(back)
    };
    let (_, taken) = tokio::join!(tokio::time::sleep(ANSWER_AFTER), work);
    let response = match (taken, json) {
        (Ok(_), true) => HttpResponse::Accepted().json(Asked { status: "asked" }),
        (Ok(Some(back)), false) => HttpResponse::SeeOther()
            .insert_header((header::LOCATION, back))
            .finish(),
        (Ok(None), false) => page::asked(),
        (Err(problem), true) => problem.error_response(),
        (Err(problem), false) if problem.status_code() == StatusCode::UNPROCESSABLE_ENTITY => {
            page::form(form, Some(&problem))
        }
        (Err(problem), false) => page::failed(&problem),
    };
    open(response)
}

/// The answer to one sign-up too many.
pub(super) fn too_many(request: &HttpRequest, problem: &Problem) -> HttpResponse {
    open(match is_json(request.content_type()) {
        true => problem.error_response(),
        false => super::page::too_many(request, problem),
    })
}

/// What a browser asks before it posts JSON from another site
#[utoipa::path(
    options, path = "/join", tag = "public",
    responses((status = 204, description = "It may")),
)]
pub(crate) async fn may_join() -> HttpResponse {
    let response = HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish();
    open(response)
}

/// Scripts of any site may read it: it is the same for everybody, and no cookie or login counts here.
fn open(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::HeaderValue::from_static("*"),
    );
    response
}

async fn take(
    commands: &Commands,
    request: &HttpRequest,
    origin: &RequestContext,
    form: &SignUpForm,
    wish: SignUp,
) -> Result<(), Problem> {
    let is_trapped = wish.is_trapped();
    let (email, name) = wish.parse(form)?;
    if is_trapped {
        return Ok(());
    }
    let channel_id = (commands.notice_channel)(Vec::new()).await;
    let channel_id = channel_id.map_err(|error| refusal::log_away(&error))?;
    let Some(channel_id) = channel_id else {
        tracing::warn!("somebody wants to sign up, and no channel can ask them");
        return Err(refusal::unavailable(
            "Nobody can be asked by mail at the moment.",
        ));
    };
    // Whoever types it is told the same: it is nobody's business who was asked already.
    let limits = request.app_data::<web::Data<Limits>>();
    let mailbox = mailbox::of(&email);
    if limits.is_some_and(|limits| !limits.may_be_asked(&mailbox)) {
        tracing::info!("somebody signs up with one mailbox again and again: it is not asked");
        return Ok(());
    }
    let context = commands.context("subscriber:form", &origin.into());
    let joining = Joining {
        email,
        name,
        consent: form.consent.clone(),
        evidence: evidence(request),
        channel_id,
    };
    let joined = joining.carry_out(commands, &context).await;
    if let (Err(error), Some(limits)) = (&joined, limits)
        && !matches!(error, RegistrationError::Commit(CommitError::Unknown))
    {
        limits.was_not_asked(&mailbox);
    }
    joined.map_err(|error| match error {
        RegistrationError::Load(error) => refusal::load(&error),
        RegistrationError::Commit(error) => refusal::commit(&error),
        RegistrationError::Refused(refusal) => refusal::refused(&refusal),
    })
}
