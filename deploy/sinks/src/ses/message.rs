//! What SES wants of a request to send and of the mail in it.
//!
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>,
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_RawMessage.html>,
//! <https://docs.aws.amazon.com/ses/latest/dg/quotas.html>.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{Account, Refusal};

/// In Base64.
const MAIL_BYTES_MAX: usize = 40 * 1024 * 1024;
const RECEIVERS_MAX: usize = 50;
/// Without the line's end.
const LINE_BYTES_MAX: usize = 998;
const TAG_LENGTH_MAX: usize = 256;
/// Headers a mail has once at most.
const ONCE: [&str; 6] = ["From", "To", "Subject", "Date", "Message-ID", "Reply-To"];
const FIELDS: [&str; 5] = [
    "ConfigurationSetName",
    "Content",
    "Destination",
    "EmailTags",
    "FromEmailAddress",
];

/// A mail that keeps all rules.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Its first receiver.
    pub(super) to: String,
}

pub(super) fn check(payload: &Value, account: &Account) -> Result<Accepted, Refusal> {
    let fields = payload.as_object().ok_or(Refusal::BAD_REQUEST)?;
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(bad(format!("{unknown} is not a field of SendEmail.")));
    }
    let set = &payload["ConfigurationSetName"];
    let is_known = |name| account.configuration_sets.iter().any(|it| it == name);
    match set.as_str() {
        _ if set.is_null() => {}
        Some(name) if is_known(name) => {}
        Some(name) => {
            let words = format!("Configuration set <{name}> does not exist.");
            return Err(Refusal::CONFIGURATION_SET_UNKNOWN.saying(words));
        }
        None => return Err(bad("The configuration set is not a text.")),
    }
    tags(&payload["EmailTags"])?;
    let to = receivers(&payload["Destination"]["ToAddresses"])?;
    let data = payload["Content"]["Raw"]["Data"].as_str();
    let data = data.ok_or_else(|| bad("Content.Raw.Data is missing."))?;
    if data.len() > MAIL_BYTES_MAX {
        return Err(Refusal::TOO_LARGE);
    }
    let mail = STANDARD
        .decode(data)
        .map_err(|_| bad("Content.Raw.Data is not Base64."))?;
    let from = mail_from(&mail)?;
    let envelope = payload["FromEmailAddress"].as_str();
    for sender in envelope.into_iter().chain([from.as_str()]) {
        is_verified(sender, account)?;
    }
    Ok(Accepted { to })
}

fn tags(tags: &Value) -> Result<(), Refusal> {
    let plain = |text: &Value| {
        text.as_str().is_some_and(|text| {
            (1..=TAG_LENGTH_MAX).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        })
    };
    let mut names = Vec::new();
    for tag in tags.as_array().into_iter().flatten() {
        if !plain(&tag["Name"]) || !plain(&tag["Value"]) {
            return Err(bad("Invalid tag name or value."));
        }
        if names.contains(&&tag["Name"]) {
            return Err(bad("Duplicate tag name."));
        }
        names.push(&tag["Name"]);
    }
    Ok(())
}

fn receivers(addresses: &Value) -> Result<String, Refusal> {
    let addresses = addresses.as_array().map_or(&[][..], Vec::as_slice);
    if addresses.is_empty() || addresses.len() > RECEIVERS_MAX {
        return Err(bad("Recipient count is not between 1 and 50."));
    }
    let mut first = None;
    for address in addresses {
        let address = address.as_str().unwrap_or_default();
        if !address.is_ascii() {
            return Err(bad("Local address contains illegal characters"));
        }
        let (local, domain) = address.rsplit_once('@').ok_or(Refusal::BAD_REQUEST)?;
        if local.is_empty() || domain.is_empty() || address.contains([' ', '<', '>', ',']) {
            return Err(bad("Illegal address"));
        }
        first.get_or_insert_with(|| address.to_owned());
    }
    first.ok_or(Refusal::BAD_REQUEST)
}

/// The address in the mail's `From`, once the mail is one.
fn mail_from(mail: &[u8]) -> Result<String, Refusal> {
    let mail = std::str::from_utf8(mail).map_err(|_| bad("The mail is not 7-bit."))?;
    let mut lines = mail.split("\r\n");
    if !mail.is_ascii() || lines.any(|line| line.len() > LINE_BYTES_MAX || line.contains('\n')) {
        return Err(bad("A line is too long, or not 7-bit."));
    }
    let (head, _) = mail
        .split_once("\r\n\r\n")
        .ok_or_else(|| bad("No blank line ends the headers."))?;
    let of = |wanted: &str| -> Vec<&str> {
        let headers = head.split("\r\n").filter_map(|line| line.split_once(':'));
        headers
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
            .collect()
    };
    if let Some(name) = ONCE.into_iter().find(|name| of(name).len() > 1) {
        return Err(bad(format!("Duplicate header '{name}'.")));
    }
    let from = of("From");
    let from = from
        .first()
        .ok_or_else(|| bad("Missing required header 'From'."))?;
    let address = from
        .rsplit_once('<')
        .map_or(*from, |(_, rest)| rest.trim_end_matches('>'));
    Ok(address.to_owned())
}

fn is_verified(sender: &str, account: &Account) -> Result<(), Refusal> {
    let domain = sender.rsplit_once('@').map_or("", |(_, domain)| domain);
    let mut identities = account.identities.iter();
    if identities.any(|it| it == sender || it == domain) {
        return Ok(());
    }
    let region = account.region.to_ascii_uppercase();
    Err(Refusal::NOT_VERIFIED.saying(format!(
        "Email address is not verified. The following identities failed the check in region {region}: {sender}"
    )))
}

fn bad(words: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::BAD_REQUEST.saying(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MAIL: &str =
        "From: \"News\" <news@example.org>\r\nTo: ada@example.net\r\nSubject: Hi\r\n\r\nHello.\r\n";

    fn account() -> Account {
        Account {
            access_key_id: String::new(),
            secret_access_key: String::new(),
            session_token: None,
            region: "eu-west-1".to_owned(),
            identities: vec!["example.org".to_owned()],
            configuration_sets: vec!["news".to_owned()],
        }
    }

    fn request(mail: &str) -> Value {
        json!({
            "Content": { "Raw": { "Data": STANDARD.encode(mail) } },
            "FromEmailAddress": "news@example.org",
            "Destination": { "ToAddresses": ["ada@example.net"] },
            "ConfigurationSetName": "news",
            "EmailTags": [{ "Name": "tidings-attempt", "Value": "1" }],
        })
    }

    #[test]
    fn a_mail_that_keeps_the_rules_is_taken() {
        let to = "ada@example.net".to_owned();
        assert_eq!(check(&request(MAIL), &account()), Ok(Accepted { to }));
    }

    #[test]
    fn a_request_that_breaks_a_rule_is_refused_in_its_words() {
        let with = |field: &str, value: Value| {
            let mut request = request(MAIL);
            request[field] = value;
            request
        };
        let tags = |tags: Value| with("EmailTags", tags);
        let to = |to: Value| with("Destination", json!({ "ToAddresses": to }));
        let data = |data: &str| with("Content", json!({ "Raw": { "Data": data } }));
        let mail = |mail: &str| data(&STANDARD.encode(mail));
        for (request, words) in [
            (with("Surprise", json!(1)), "Surprise is not"),
            (
                with("ConfigurationSetName", json!("x")),
                "<x> does not exist",
            ),
            (
                with("FromEmailAddress", json!("a@b.example")),
                "not verified",
            ),
            (
                mail(&MAIL.replace("<news@example.org>", "<a@b.example>")),
                "not verified",
            ),
            (
                tags(json!([{ "Name": "a b", "Value": "1" }])),
                "Invalid tag",
            ),
            (tags(json!([{ "Name": "a", "Value": "" }])), "Invalid tag"),
            (
                tags(json!([{ "Name": "a", "Value": "1" }, { "Name": "a", "Value": "2" }])),
                "Duplicate tag",
            ),
            (to(json!([])), "Recipient count"),
            (to(json!(["zo\u{eb}@example.net"])), "Local address"),
            (to(json!(["ada"])), "Missing final"),
            (to(json!(["Ada <ada@example.net>"])), "Illegal address"),
            (data("%"), "not Base64"),
            (data(&"A".repeat(MAIL_BYTES_MAX + 4)), "Message length"),
            (mail("From: news@example.org\r\n"), "No blank line"),
            (mail("Subject: Hi\r\n\r\nHello."), "'From'"),
            (mail(&format!("From: a@b.c\r\n{MAIL}")), "Duplicate header"),
            (mail(&format!("{MAIL}{}", "x".repeat(999))), "too long"),
            (mail(&format!("{MAIL}\u{eb}")), "7-bit"),
            (json!([]), "Missing final"),
        ] {
            let refusal = check(&request, &account()).unwrap_err();
            assert!(refusal.words().contains(words), "{words}: {refusal:?}");
        }
    }
}
