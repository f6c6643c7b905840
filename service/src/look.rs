//! Looks at somebody's data. Whoever answers with personal data first has it put on record who looked, at what and why;
//! how that is done another room knows.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::auth::Principal;
use crate::http::RequestContext;
use crate::problem::Problem;

/// Request header: why somebody looks, in their words, UTF-8. Not in the query, since paths stand in logs.
pub const LOOK_REASON: HeaderName = HeaderName::from_static("look-reason");

/// Who looks, and why; an extractor for routes behind the gate.
#[derive(Clone, Debug)]
pub struct Looker {
    /// Who.
    pub principal: Principal,
    /// In which request.
    pub context: RequestContext,
    /// Why, as it was sent: [`LOOK_REASON`]. Whoever records it checks it.
    pub reason: Option<String>,
}

/// What is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Who they are.
    Profile,
    /// That an address is theirs.
    Search,
    /// All that happened to them.
    Timeline,
    /// Who they are and what they chose, in a file of many.
    Line,
    /// All of it in a file, which is ready.
    Export(File),
}

/// A file that is about to be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// SHA-256 of it.
    pub digest: [u8; 32],
    /// How many events it tells of.
    pub events: u64,
    /// Up to which position of the log.
    pub through_position: i64,
}

/// A file that is ready, with what goes on record of it.
#[derive(Debug)]
pub struct ReadyFile {
    /// To be read from where it stands.
    pub file: std::fs::File,
    /// What it is.
    pub handed: File,
}

/// Makes the file of all that is on record of a subscriber, as they themselves are given it; another room knows how.
pub type MakeExport =
    Arc<dyn Fn(Uuid) -> BoxFuture<'static, Result<ReadyFile, Problem>> + Send + Sync>;

/// A look that is about to happen.
#[derive(Clone, Debug)]
pub struct Look {
    /// Who looks.
    pub by: Looker,
    /// At whom: at most as many as a commit takes, and none of them twice.
    pub subscriber_ids: Vec<Uuid>,
    /// At what.
    pub seen: Seen,
}

/// Puts a look on record, at each of those it is at or at none, and gives where it stands in the log. Without that nothing
/// is shown, nor a file handed out of which the recorder says that its subscriber is being erased.
pub type RecordLook = Arc<dyn Fn(Look) -> BoxFuture<'static, Result<i64, Problem>> + Send + Sync>;

impl FromRequest for Looker {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(looker(request))
    }
}

fn looker(request: &HttpRequest) -> Result<Looker, Problem> {
    let missing =
        |what: &str| Problem::internal(&std::io::Error::other(format!("{what} is missing")));
    let extensions = request.extensions();
    let principal = extensions.get::<Principal>().cloned();
    let context = extensions.get::<RequestContext>().copied();
    let reason = request.headers().get(LOOK_REASON);
    let reason = reason.map(|value| std::str::from_utf8(value.as_bytes()).map(str::to_owned));
    Ok(Looker {
        principal: principal.ok_or_else(|| missing("the gate"))?,
        context: context.ok_or_else(|| missing("http::request_context"))?,
        reason: reason
            .transpose()
            .map_err(|_| Problem::bad_request("The header Look-Reason must be UTF-8."))?,
    })
}
