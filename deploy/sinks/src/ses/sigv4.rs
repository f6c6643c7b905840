//! Who signed a request, by Signature Version 4: computed anew from the request, step by step as the specification has
//! it, and with none of the sender's code.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use sha2::{Digest as _, Sha256};
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::Refusal;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// How far a request's time may lie from ours, either way.
const AGE_MAX: Duration = Duration::minutes(5);

/// A request as it came.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// As it stands in the request line.
    pub(super) path: &'a str,
    /// Likewise; empty if there is none.
    pub(super) query: &'a str,
    /// Names in lower case.
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a [u8],
}

/// What a request has to be signed with.
pub(super) struct Key<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a str,
    pub(super) session_token: Option<&'a str>,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// The `Authorization` header.
struct Authorization<'a> {
    key_id: &'a str,
    date: &'a str,
    /// The whole scope, from the date on.
    scope: &'a str,
    /// Names, in their order.
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl Key<'_> {
    /// Whether the request was signed with this key, about now.
    pub(super) fn check(&self, request: &Request<'_>, now: OffsetDateTime) -> Result<(), Refusal> {
        let header = request.header("authorization").ok_or(Refusal::NOT_SIGNED)?;
        let said = Authorization::parse(&header)
            .ok_or_else(|| Refusal::SIGNATURE_WRONG.saying("Authorization header is malformed."))?;
        if said.key_id != self.id {
            return Err(Refusal::KEY_UNKNOWN);
        }
        let token = request.header("x-amz-security-token");
        if token.as_deref() != self.session_token {
            return Err(Refusal::KEY_UNKNOWN);
        }
        let scope = format!(
            "{}/{}/{}/{TERMINATOR}",
            said.date, self.region, self.service
        );
        if said.scope != scope {
            let words = format!("Credential should be scoped to {scope}.");
            return Err(Refusal::SIGNATURE_WRONG.saying(words));
        }
        let at = request.header("x-amz-date").unwrap_or_default();
        let is_now = instant(&at).is_some_and(|at| (now - at).abs() <= AGE_MAX);
        if !is_now || !at.starts_with(said.date) {
            return Err(Refusal::SIGNATURE_EXPIRED);
        }
        if let Some(unsigned) = request.must_be_signed(&said.signed_headers) {
            let words = format!("'{unsigned}' must be a 'SignedHeader' in the AWS Authorization.");
            return Err(Refusal::SIGNATURE_WRONG.saying(words));
        }
        let canonical = request.canonical(&said.signed_headers);
        let to_sign = format!(
            "{ALGORITHM}\n{at}\n{scope}\n{}",
            sha256(canonical.as_bytes())
        );
        if self.signature(said.date, &to_sign) == said.signature {
            Ok(())
        } else {
            Err(Refusal::SIGNATURE_WRONG)
        }
    }

    fn signature(&self, date: &str, to_sign: &str) -> String {
        let secret = format!("AWS4{}", self.secret);
        let parts = [date, self.region, self.service, TERMINATOR, to_sign];
        let signature = parts.iter().fold(secret.into_bytes(), |key, part| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            hmac::sign(&key, part.as_bytes()).as_ref().to_vec()
        });
        hex(&signature)
    }
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let mut parts = header.strip_prefix(ALGORITHM)?.split(',').map(str::trim);
        let credential = parts.next()?.strip_prefix("Credential=")?;
        let (key_id, scope) = credential.split_once('/')?;
        let signed_headers: Vec<&str> = parts
            .next()?
            .strip_prefix("SignedHeaders=")?
            .split(';')
            .collect();
        let signature = parts.next()?.strip_prefix("Signature=")?;
        let is_sorted = signed_headers.is_sorted() && parts.next().is_none();
        is_sorted.then_some(Self {
            key_id,
            date: scope.split('/').next()?,
            scope,
            signed_headers,
            signature,
        })
    }
}

impl Request<'_> {
    /// A header's values, trimmed, runs of spaces as one, separated by commas; none if it is not there.
    fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.iter().filter(|(it, _)| *it == name);
        let values: Vec<String> = values
            .map(|(_, value)| {
                value
                    .split(' ')
                    .filter(|it| !it.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// A header that has to be signed and is not.
    fn must_be_signed(&self, signed: &[&str]) -> Option<&str> {
        let mut names = self.headers.iter().map(|(name, _)| *name);
        if !signed.contains(&"host") {
            return Some("host");
        }
        names.find(|name| {
            (*name == "content-type" || name.starts_with("x-amz-")) && !signed.contains(name)
        })
    }

    fn canonical(&self, signed: &[&str]) -> String {
        let mut query: Vec<&str> = self.query.split('&').filter(|it| !it.is_empty()).collect();
        query.sort_unstable();
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.method,
            encoded(self.path),
            query.join("&")
        );
        for name in signed {
            let value = self.header(name).unwrap_or_default();
            let _ = writeln!(text, "{name}:{value}");
        }
        let _ = write!(text, "\n{}\n{}", signed.join(";"), sha256(self.body));
        text
    }
}

/// A path, encoded once more than in the request, as all services but S3 want it.
fn encoded(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn instant(text: &str) -> Option<OffsetDateTime> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let at = PrimitiveDateTime::parse(text, format).ok()?;
    Some(at.assume_utc())
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// The example that the specification has been explained by for years, with its keys.
    const KEY: Key<'_> = Key {
        id: "AKIDEXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token: None,
        region: "us-east-1",
        service: "iam",
    };
    const NOW: OffsetDateTime = datetime!(2015-08-30 12:36:00 UTC);
    const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date, \
        Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";

    fn request(authorization: &'static str) -> Request<'static> {
        Request {
            method: "GET",
            path: "/",
            query: "Version=2010-05-08&Action=ListUsers",
            headers: vec![
                ("host", "iam.amazonaws.com"),
                (
                    "content-type",
                    " application/x-www-form-urlencoded;  charset=utf-8 ",
                ),
                ("x-amz-date", "20150830T123600Z"),
                ("user-agent", "anything"),
                ("authorization", authorization),
            ],
            body: b"",
        }
    }

    #[test]
    fn the_specifications_example_is_known_and_nothing_else_is() {
        let example = || request(AUTHORIZATION);
        assert_eq!(KEY.check(&example(), NOW), Ok(()));
        let wrong = Err(Refusal::SIGNATURE_WRONG);
        for change in [
            |it: &mut Request<'_>| it.body = b"x",
            |it: &mut Request<'_>| it.method = "POST",
            |it: &mut Request<'_>| it.path = "/x",
            |it: &mut Request<'_>| it.query = "Action=ListUsers",
            |it: &mut Request<'_>| it.headers[0].1 = "other.example.org",
            |it: &mut Request<'_>| it.headers[1].1 = "text/plain",
            |it: &mut Request<'_>| it.headers[2].1 = "20150830T123601Z",
        ] {
            let mut changed = example();
            change(&mut changed);
            assert_eq!(KEY.check(&changed, NOW), wrong);
        }
        let other = Key {
            secret: "another",
            ..KEY
        };
        assert_eq!(other.check(&example(), NOW), wrong);
        let other = Key { id: "other", ..KEY };
        assert_eq!(other.check(&example(), NOW), Err(Refusal::KEY_UNKNOWN));
        let other = Key {
            session_token: Some("session"),
            ..KEY
        };
        assert_eq!(other.check(&example(), NOW), Err(Refusal::KEY_UNKNOWN));
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_in_one_place() {
        let example = || request(AUTHORIZATION);
        for minutes in [-5, 5] {
            let now = NOW + Duration::minutes(minutes);
            assert_eq!(KEY.check(&example(), now), Ok(()));
            let now = now + Duration::seconds(minutes.signum());
            assert_eq!(KEY.check(&example(), now), Err(Refusal::SIGNATURE_EXPIRED));
        }
        for other in [
            Key {
                region: "eu-west-1",
                ..KEY
            },
            Key {
                service: "ses",
                ..KEY
            },
        ] {
            let refusal = other.check(&example(), NOW).unwrap_err();
            assert!(refusal.words().contains("scoped"), "{refusal:?}");
        }
    }

    #[test]
    fn what_has_to_be_signed_is_named() {
        let mut unsigned = request(AUTHORIZATION);
        unsigned.headers.push(("x-amz-meta", "1"));
        let refusal = KEY.check(&unsigned, NOW).unwrap_err();
        assert!(refusal.words().starts_with("'x-amz-meta'"), "{refusal:?}");
        let mut none = request(AUTHORIZATION);
        none.headers.pop();
        assert_eq!(KEY.check(&none, NOW), Err(Refusal::NOT_SIGNED));
        let refusal = KEY.check(&request("Bearer x"), NOW).unwrap_err();
        assert!(refusal.words().contains("malformed"), "{refusal:?}");
        let no_host = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
            SignedHeaders=content-type;x-amz-date, Signature=00";
        let refusal = KEY.check(&request(no_host), NOW).unwrap_err();
        assert!(refusal.words().starts_with("'host'"), "{refusal:?}");
    }
}
