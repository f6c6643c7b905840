//! The body of a draft or a revision: JSON, or a file as its editor has it.

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;
use tidings_service::http::is_json;
use tidings_service::{Problem, problem};

use super::content::PublicationContent;
use super::{front_matter, page};
use crate::request::limited;

/// What may be sent.
const MEDIA_TYPES: &str = "application/json, text/markdown or text/html";

/// The content of a publication, whatever it was written down in.
pub(crate) struct ContentBody {
    /// What it says.
    pub(super) value: PublicationContent,
    /// The body as received.
    pub(super) raw: Bytes,
}

impl FromRequest for ContentBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, body: &mut Payload) -> Self::Future {
        let (request, mut body) = (request.clone(), body.take());
        Box::pin(async move {
            let Some(format) = Format::of(request.content_type()) else {
                return Err(Problem::unsupported_media_type(MEDIA_TYPES));
            };
            let raw = limited(&request, &mut body).await?;
            let value = match format {
                Format::Json => problem::from_json(&raw)?,
                Format::Markdown => front_matter::read(text(&raw)?)?,
                Format::Html => page::read(text(&raw)?)?,
            };
            Ok(Self { value, raw })
        })
    }
}

enum Format {
    Json,
    Markdown,
    Html,
}

impl Format {
    /// `content_type`: without its parameters.
    fn of(content_type: &str) -> Option<Self> {
        match content_type.to_ascii_lowercase().as_str() {
            "text/markdown" => Some(Self::Markdown),
            "text/html" => Some(Self::Html),
            other if is_json(other) => Some(Self::Json),
            _ => None,
        }
    }
}

/// The text of a file; some editors put a byte order mark before it.
fn text(raw: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(raw).map_err(|error| {
        Problem::bad_request(format!(
            "The body is not UTF-8: byte {} belongs to no character.",
            error.valid_up_to() + 1
        ))
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The problem with the line of the file that each value at fault stands in, as far as `line_of` knows the line of its
/// key.
pub(super) fn with_lines(problem: &Problem, line_of: impl Fn(&str) -> Option<usize>) -> Problem {
    let errors = problem.errors().iter();
    errors.fold(Problem::validation(), |all, error| {
        let key = error.pointer.split('/').nth(1);
        let detail = match key.and_then(&line_of) {
            Some(line) => format!("Line {line}: {}", error.detail),
            None => error.detail.clone(),
        };
        all.error(&error.pointer, detail)
    })
}
