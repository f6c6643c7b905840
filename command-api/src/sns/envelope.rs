//! The JSON that SNS posts, and which words of it are signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Refused;

/// A message as it was posted: nothing in it is to be believed yet.
pub(super) struct Envelope {
    pub(super) kind: Kind,
    pub(super) topic: String,
    pub(super) message: String,
    pub(super) certificate_url: String,
    pub(super) signature: Vec<u8>,
    pub(super) signed_by: Scheme,
    /// What the signature must be of.
    pub(super) signed: String,
}

/// What a message is.
pub(super) enum Kind {
    /// What somebody published.
    Notification,
    /// Somebody wants us to get what is published.
    Subscribed { token: String },
    /// That has ended.
    Unsubscribed,
}

/// How a message is signed (`SignatureVersion`).
#[derive(Clone, Copy)]
pub(super) enum Scheme {
    /// 1: RSA with SHA-1.
    Sha1,
    /// 2: RSA with SHA-256.
    Sha256,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Posted {
    r#type: String,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: String,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
}

impl Envelope {
    /// Reads what was posted.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refused> {
        let posted: Posted = serde_json::from_slice(body).map_err(|_| {
            Refused::Malformed(
                "it is no message of Amazon SNS; the subscription must be without raw message delivery",
            )
        })?;
        let signed = posted.signed()?;
        let kind = match posted.r#type.as_str() {
            "Notification" => Kind::Notification,
            "SubscriptionConfirmation" => Kind::Subscribed {
                token: posted.token.filter(|it| is_token(it)).ok_or(NO_TOKEN)?,
            },
            "UnsubscribeConfirmation" => Kind::Unsubscribed,
            _ => return Err(Refused::Malformed("its Type is not known")),
        };
        let signed_by = match posted.signature_version.as_str() {
            "1" => Scheme::Sha1,
            "2" => Scheme::Sha256,
            _ => return Err(Refused::Malformed("its SignatureVersion is not known")),
        };
        let signature = STANDARD.decode(&posted.signature);
        Ok(Self {
            kind,
            topic: posted.topic_arn,
            message: posted.message,
            certificate_url: posted.signing_cert_url,
            signature: signature.map_err(|_| Refused::Malformed("its Signature is no base64"))?,
            signed_by,
            signed,
        })
    }
}

const NO_TOKEN: Refused = Refused::Malformed("its Token is missing or malformed");

/// It becomes a part of a URL.
fn is_token(text: &str) -> bool {
    (1..=1_024).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl Posted {
    /// Names and values on lines of their own, in the order of the names. With a line break in a value the same text
    /// could be cut into others, so only the message, which comes first, may have some.
    fn signed(&self) -> Result<String, Refused> {
        let of_notifications = self.r#type == "Notification";
        let of_confirmations = !of_notifications;
        let fields = [
            ("MessageId", Some(&self.message_id)),
            (
                "Subject",
                self.subject.as_ref().filter(|_| of_notifications),
            ),
            (
                "SubscribeURL",
                self.subscribe_url.as_ref().filter(|_| of_confirmations),
            ),
            ("Timestamp", Some(&self.timestamp)),
            ("Token", self.token.as_ref().filter(|_| of_confirmations)),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(&self.r#type)),
        ];
        let mut text = format!("Message\n{}\n", self.message);
        for (name, value) in fields {
            let Some(value) = value else { continue };
            if value.contains('\n') {
                return Err(Refused::Malformed("a field has a line break in it"));
            }
            text.extend([name, "\n", value, "\n"]);
        }
        Ok(text)
    }
}
