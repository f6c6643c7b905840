//! The headers by which SES knows whose request it is: Signature Version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;

const SERVICE: &str = "ses";
const JSON: &str = "application/json";

/// A key of an account, and where it is used. Not printable on purpose.
pub(super) struct Signer {
    credentials: Credentials,
    region: String,
}

impl Signer {
    /// Which key it signs with.
    pub(super) fn key_id(&self) -> &str {
        self.credentials.access_key_id()
    }

    pub(super) fn new(
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
        region: String,
    ) -> Self {
        let configured = "a channel's credentials";
        Self {
            credentials: Credentials::new(
                access_key_id,
                secret_access_key,
                session_token,
                None,
                configured,
            ),
            region,
        }
    }

    /// The headers of one attempt to post this body, its content type among them; none if the URL is not one.
    pub(super) fn headers(&self, url: &str, body: &[u8], at: OffsetDateTime) -> Option<HeaderMap> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::from(at))
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let content_type = [(CONTENT_TYPE.as_str(), JSON)];
        let body = SignableBody::Bytes(body);
        let request = SignableRequest::new("POST", url, content_type.into_iter(), body).ok()?;
        let (signed, _) = sign(request, &params).ok()?.into_parts();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        for (name, value) in signed.headers() {
            let mut value = HeaderValue::from_str(value).ok()?;
            // One of them may be a session's token.
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
        }
        Some(headers)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn headers_as_they_leave() {
        let text = str::to_owned;
        let signer = Signer::new(
            text("AKIDEXAMPLE"),
            text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            Some(text("session")),
            text("eu-west-1"),
        );
        let url = "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails";
        let at = datetime!(2026-01-02 03:04:05 UTC);
        let headers = signer.headers(url, b"{}", at).unwrap();
        // None is printed by whoever prints headers.
        let printed = format!("{headers:?}");
        assert!(
            !printed.contains("session") && !printed.contains("AKID"),
            "{printed}"
        );
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
