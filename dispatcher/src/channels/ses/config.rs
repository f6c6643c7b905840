//! An SES channel's settings and credentials, parsed.

use serde_json::Value;

use super::signature::Signer;
use crate::{
    channel::{ConfigError, Environment},
    channels::{
        http::acceptable,
        letterhead::Letterhead,
        settings::{Fields, checked},
    },
};

const PATH: &str = "v2/email/outbound-emails";
const REGION_LENGTH_MAX: usize = 32;
const CONFIGURATION_SET_LENGTH_MAX: usize = 64;
const KEY_LENGTH_MAX: usize = 128;
/// Keys of a session have no upper bound in the specification; a header has one.
const TOKEN_LENGTH_MAX: usize = 8_192;
const MAILS_PER_SECOND_MAX: u32 = 10_000;

/// Everything a person configures.
pub(super) struct Config {
    /// Where mails are posted to.
    pub(super) url: String,
    pub(super) signer: Signer,
    pub(super) letterhead: Letterhead,
    pub(super) configuration_set: Option<String>,
    /// What all go by whom SES counts together: where it is, and whose key it is.
    pub(super) account: String,
    /// How many mails the account may begin in a second; none: as many as SES takes.
    pub(super) mails_per_second: Option<u32>,
}

impl Config {
    pub(super) fn parse(
        settings: &Value,
        credentials: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mut settings = Fields::settings(settings);
        let mut credentials = Fields::credentials(credentials);
        let region = region(&mut settings);
        let url = url(&mut settings, region.as_deref(), environment);
        let signer = signer(&mut credentials, region);
        let letterhead = Letterhead::read(&mut settings);
        let configuration_set = configuration_set(&mut settings);
        let mails_per_second = settings.number("mails_per_second", 1, MAILS_PER_SECOND_MAX);
        let parts = url.zip(signer).zip(letterhead);
        let config = parts.map(|((url, signer), letterhead)| Self {
            account: format!("{url}\n{}", signer.key_id()),
            url,
            signer,
            letterhead,
            configuration_set,
            mails_per_second,
        });
        checked(config, [settings, credentials])
    }
}

/// It stands in a host name, so it is held to what Amazon's regions are made of.
fn region(settings: &mut Fields) -> Option<String> {
    let region = settings.required_text("region")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = region.len() <= REGION_LENGTH_MAX && region.bytes().all(plain);
    if fits && region.starts_with(|c: char| c.is_ascii_lowercase()) && !region.ends_with('-') {
        return Some(region);
    }
    settings.problem("region", "must be a region such as `eu-west-1`");
    None
}

fn url(settings: &mut Fields, region: Option<&str>, environment: &Environment) -> Option<String> {
    let Some(endpoint) = settings.text("endpoint") else {
        let region = region?;
        let ending = if region.starts_with("cn-") { ".cn" } else { "" };
        return Some(format!(
            "https://email.{region}.amazonaws.com{ending}/{PATH}"
        ));
    };
    match acceptable(&endpoint, environment) {
        Ok(url) if url.path() == "/" && url.query().is_none() && url.fragment().is_none() => {
            Some(format!("{url}{PATH}"))
        }
        Ok(_) => {
            settings.problem("endpoint", "must be a URL without a path");
            None
        }
        Err(detail) => {
            settings.problem("endpoint", detail);
            None
        }
    }
}

fn configuration_set(settings: &mut Fields) -> Option<String> {
    let name = settings.text("configuration_set")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if name.len() <= CONFIGURATION_SET_LENGTH_MAX && name.bytes().all(plain) {
        return Some(name);
    }
    settings.problem(
        "configuration_set",
        "must be a name of letters, digits, `_` and `-`, at most 64 of them",
    );
    None
}

fn signer(credentials: &mut Fields, region: Option<String>) -> Option<Signer> {
    let id = credentials.required_text("access_key_id");
    let id = id.and_then(|id| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let fits = id.len() <= KEY_LENGTH_MAX && id.bytes().all(plain);
        fits_or(credentials, "access_key_id", id, fits)
    });
    let mut secret = |name, length_max, required| {
        let text = match required {
            true => credentials.required_text(name),
            false => credentials.text(name),
        };
        text.and_then(|text| {
            let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
            let fits = graphic && text.len() <= length_max;
            fits_or(credentials, name, text, fits)
        })
    };
    let key = secret("secret_access_key", KEY_LENGTH_MAX, true);
    let session_token = secret("session_token", TOKEN_LENGTH_MAX, false);
    Some(Signer::new(id?, key?, session_token, region?))
}

fn fits_or(fields: &mut Fields, name: &str, text: String, fits: bool) -> Option<String> {
    if !fits {
        fields.problem(name, "must be as Amazon has given it out, without spaces");
    }
    fits.then_some(text)
}
