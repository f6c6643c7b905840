//! The Idempotency-Key, which makes a POST safe to repeat.

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::problem::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEY_CHARS_MAX: usize = 255;

/// The key of a request, if it has one: quoted as the standard has it, or bare.
///
/// # Errors
/// 400 when it is empty, too long or holds anything but printable ASCII.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let malformed = || {
        Problem::bad_request(format!(
            "The Idempotency-Key must be 1 to {KEY_CHARS_MAX} printable ASCII characters, bare or in quotes."
        ))
    };
    let text = value.to_str().map_err(|_| malformed())?.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').ok_or_else(malformed)?,
        None => text,
    };
    let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if key.is_empty() || key.len() > KEY_CHARS_MAX || !printable {
        return Err(malformed());
    }
    Ok(Some(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn read_text(value: &str) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
        idempotency_key(&headers)
    }

    #[test]
    fn keys_come_quoted_or_bare() {
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        assert_eq!(read_text("\"a b\"").unwrap().as_deref(), Some("a b"));
        assert_eq!(
            read_text("8e03978e-40d5").unwrap().as_deref(),
            Some("8e03978e-40d5")
        );
        assert!(read_text(&"k".repeat(255)).is_ok());
        for bad in ["", "\"\"", "\"open", "a\tb", &"k".repeat(256)] {
            assert_eq!(read_text(bad).unwrap_err().kind().status, 400, "{bad:?}");
        }
    }
}
