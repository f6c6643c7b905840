//! What is posted: a mail as it is, who it goes to, and tags that SES hands back with every report about it.

use base64::{Engine as _, encoded_len, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::Config;
use crate::channel::Rendered;

/// Largest mail, in Base64 (<https://docs.aws.amazon.com/ses/latest/dg/quotas.html>).
pub(super) const MAIL_BYTES_MAX: usize = 40 * 1024 * 1024;
/// The tags that say which delivery and attempt a report means.
const DELIVERY_TAG: &str = "tidings-delivery";
const ATTEMPT_TAG: &str = "tidings-attempt";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail<'a> {
    from_email_address: &'a str,
    destination: Destination<'a>,
    content: Content,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration_set_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    email_tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination<'a> {
    to_addresses: [&'a str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    raw: Raw,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    data: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    name: &'static str,
    value: String,
}

/// The body of the request; none: the mail is larger than SES takes.
pub(super) fn body(config: &Config, rendered: &Rendered) -> Option<Vec<u8>> {
    encoded_len(rendered.body.len(), true).filter(|length| *length <= MAIL_BYTES_MAX)?;
    let tag = |name, value| Tag { name, value };
    let email_tags = match rendered.attempt {
        // A message that tries the channel is no delivery: nobody waits for reports about it.
        0 => Vec::new(),
        attempt => vec![
            tag(DELIVERY_TAG, rendered.delivery_id.to_string()),
            tag(ATTEMPT_TAG, attempt.to_string()),
        ],
    };
    let request = SendEmail {
        from_email_address: &rendered.from,
        destination: Destination {
            to_addresses: [&rendered.to],
        },
        content: Content {
            raw: Raw {
                data: STANDARD.encode(&rendered.body),
            },
        },
        configuration_set_name: config.configuration_set.as_deref(),
        email_tags,
    };
    // Texts and lists of texts: there is nothing in it that JSON does not have.
    serde_json::to_vec(&request).ok()
}
