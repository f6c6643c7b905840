//! The issuer of a caller's token: part of who they are, since two issuers may know the same subject.

use actix_web::http::header::{self, HeaderMap};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    iss: String,
}

/// The claim `iss` of a token that the gate has verified already; nothing is verified here.
pub(super) fn of_admitted(headers: &HeaderMap) -> Option<String> {
    let (_, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    let payload = URL_SAFE_NO_PAD
        .decode(token.trim().split('.').nth(1)?)
        .ok()?;
    serde_json::from_slice::<Claims>(&payload)
        .ok()
        .map(|claims| claims.iss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn the_issuer_is_read_from_the_payload() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://id.example.org","sub":"ada"}"#);
        let mut headers = HeaderMap::new();
        assert_eq!(of_admitted(&headers), None);
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(&format!("Bearer h.{payload}.s")).unwrap(),
        );
        assert_eq!(
            of_admitted(&headers).as_deref(),
            Some("https://id.example.org")
        );
    }
}
