//! `If-Match`: the version of a stream the caller has seen; of a subscriber, that of their record behind a point.

use actix_web::http::header::{self, HeaderMap};
use tidings_service::Problem;

/// The versions that an entity tag names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Of the stream.
    pub(super) version: Option<i32>,
    /// Of a subscriber's record.
    pub(super) record: Option<i32>,
}

/// The version named, if one is. `*` names none: every stream a command is carried out on exists.
///
/// # Errors
/// 400 when it is not an entity tag of ours; 412 for a weak one, which never matches (RFC 9110).
pub(super) fn read(headers: &HeaderMap) -> Result<Seen, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(Seen::default());
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Seen::default());
    }
    if text.starts_with("W/") {
        return Err(Problem::precondition_failed(
            "If-Match names a weak entity tag; send the ETag as it was given.",
        ));
    }
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match quoted.and_then(versions) {
        Some(seen) => Ok(seen),
        None => Err(Problem::bad_request(
            "If-Match must be one ETag as this server gave it, such as \"3\" with its quotes.",
        )),
    }
}

/// `3`, or `3.2` where there is a record.
fn versions(tag: &str) -> Option<Seen> {
    let (version, record) = match tag.split_once('.') {
        Some((version, record)) => (version, Some(record.parse().ok()?)),
        None => (tag, None),
    };
    Some(Seen {
        version: Some(version.parse().ok()?),
        record,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn read_text(value: &str) -> Result<(Option<i32>, Option<i32>), u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_str(value).unwrap());
        let seen = read(&headers).map_err(|problem| problem.kind().status)?;
        Ok((seen.version, seen.record))
    }

    #[test]
    fn versions_are_read_and_anything_else_is_said() {
        assert_eq!(read(&HeaderMap::new()).ok(), Some(Seen::default()));
        assert_eq!(read_text("\"3\""), Ok((Some(3), None)));
        assert_eq!(read_text("\"3.2\""), Ok((Some(3), Some(2))));
        assert_eq!(read_text("*"), Ok((None, None)));
        assert_eq!(read_text("W/\"3\""), Err(412));
        assert_eq!(read_text("3"), Err(400));
        assert_eq!(read_text("\"3\", \"4\""), Err(400));
        assert_eq!(read_text("\"abc\""), Err(400));
        assert_eq!(read_text("\"3.\""), Err(400));
        assert_eq!(read_text("\"3.2.1\""), Err(400));
    }
}
