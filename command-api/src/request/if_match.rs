//! `If-Match`: the version of a stream the caller has seen.

use actix_web::http::header::{self, HeaderMap};
use tidings_service::Problem;

/// The version named, if one is. `*` names none: every stream a command is carried out on exists.
///
/// # Errors
/// 400 when it is not an entity tag of ours; 412 for a weak one, which never matches (RFC 9110).
pub(super) fn read(headers: &HeaderMap) -> Result<Option<i32>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    if text.starts_with("W/") {
        return Err(Problem::precondition_failed(
            "If-Match names a weak entity tag; send the ETag as it was given.",
        ));
    }
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match quoted.and_then(|version| version.parse().ok()) {
        Some(version) => Ok(Some(version)),
        None => Err(Problem::bad_request(
            "If-Match must be one ETag as this server gave it, such as \"3\" with its quotes.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn read_text(value: &str) -> Result<Option<i32>, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_str(value).unwrap());
        read(&headers).map_err(|problem| problem.kind().status)
    }

    #[test]
    fn versions_are_read_and_anything_else_is_said() {
        assert_eq!(read(&HeaderMap::new()).ok(), Some(None));
        assert_eq!(read_text("\"3\""), Ok(Some(3)));
        assert_eq!(read_text("*"), Ok(None));
        assert_eq!(read_text("W/\"3\""), Err(412));
        assert_eq!(read_text("3"), Err(400));
        assert_eq!(read_text("\"3\", \"4\""), Err(400));
        assert_eq!(read_text("\"abc\""), Err(400));
    }
}
