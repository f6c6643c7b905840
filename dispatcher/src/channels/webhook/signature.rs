//! The headers by which a receiver knows who sent an event, which one it is, and when.

use std::str::FromStr;

use aws_lc_rs::hmac;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;

const PREFIX: &str = "whsec_";
/// Secrets are handed on by copy and paste, which loses a `=` now and then.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret shared with the receiver. Not printable on purpose.
#[derive(Clone)]
pub(super) struct SigningKey(hmac::Key);

/// The text is not a secret of that shape.
pub(super) struct NotASecret;

impl FromStr for SigningKey {
    type Err = NotASecret;

    fn from_str(text: &str) -> Result<Self, NotASecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(NotASecret)?;
        let bytes = LENIENT.decode(encoded).map_err(|_| NotASecret)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(NotASecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

/// Two of the same bytes: they sign alike.
impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.sign("", "", b"") == other.sign("", "", b"")
    }
}

impl SigningKey {
    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The three headers of one attempt, signed by every key, in their order.
pub(super) fn headers<'k>(
    keys: impl Iterator<Item = &'k SigningKey>,
    id: &str,
    at: OffsetDateTime,
    body: &[u8],
) -> HeaderMap {
    let timestamp = at.unix_timestamp().to_string();
    let signatures: Vec<String> = keys.map(|key| key.sign(id, &timestamp, body)).collect();
    [
        ("webhook-id", id),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signatures.join(" ")),
    ]
    .into_iter()
    .map(|(name, value)| {
        let value = HeaderValue::from_str(value).expect("ids, numbers and Base64 are ASCII");
        (HeaderName::from_static(name), value)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks reference implementations.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signed(secrets: &[&str]) -> HeaderMap {
        let keys: Vec<SigningKey> = secrets
            .iter()
            .map(|secret| secret.parse().ok().unwrap())
            .collect();
        let at = OffsetDateTime::from_unix_timestamp(1_614_265_330).unwrap();
        headers(
            keys.iter(),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at,
            br#"{"test": 2432232314}"#,
        )
    }

    #[test]
    fn the_signature_is_that_of_the_reference() {
        let headers = signed(&[SECRET]);
        assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(
            headers["webhook-signature"],
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn while_secrets_change_both_sign_the_new_one_first() {
        let new = format!("{PREFIX}{}", STANDARD.encode([7; 32]));
        let both = signed(&[&new, SECRET]);
        let each = [signed(&[&new]), signed(&[SECRET])];
        let each = each.map(|one| one["webhook-signature"].to_str().unwrap().to_owned());
        assert_eq!(both["webhook-signature"], each.join(" "));
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        let accepted = |text: &str| text.parse::<SigningKey>().is_ok();
        for (length, fits) in [(23, false), (24, true), (64, true), (65, false)] {
            let encoded = STANDARD.encode(vec![1; length]);
            assert_eq!(accepted(&format!("{PREFIX}{encoded}")), fits, "{length}");
        }
        let unpadded = STANDARD.encode([1; 32]);
        assert!(accepted(&format!(
            "{PREFIX}{}",
            unpadded.trim_end_matches('=')
        )));
        for wrong in [
            "",
            PREFIX,
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!!",
        ] {
            assert!(!accepted(wrong), "{wrong}");
        }
    }
}
