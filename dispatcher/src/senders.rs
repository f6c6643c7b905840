//! Whether the DNS says of a sender what receivers look for: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489 and its
//! successor's way to the parent domains), and a mail server for what comes back. Kinds of channels say who they send as
//! ([`Sender`]); nothing here knows them.

mod dkim;
mod dmarc;
mod dns;
mod mx;
mod spf;
#[cfg(test)]
mod tests;

use serde::Serialize;
use utoipa::ToSchema;

pub use dns::{Dns, NoAnswer};

/// Who a channel sends mail as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The domain of the `From` address.
    pub from_domain: String,
    /// The domain of the envelope's sender, whom reports go to; none: the provider's business, and so is signing.
    pub return_path_domain: Option<String>,
    /// The host that mails are handed to; none when it is not of our choosing.
    pub relay: Option<String>,
    /// Who signs; none: mails leave us unsigned.
    pub signer: Option<Signer>,
}

/// Who signs mails, as receivers look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// `d=` of the signature.
    pub domain: String,
    /// `s=` of the signature.
    pub selector: String,
    /// `k=` of the record: `rsa` or `ed25519`.
    pub algorithm: &'static str,
    /// `p=` of the record: the public half of the key that signs, in Base64.
    pub public_key: String,
}

/// What the DNS says of a sender.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Report {
    /// The domain of the `From` address.
    #[schema(example = "example.org")]
    pub from_domain: String,
    /// The domain that reports about mails go to; none when the provider sees to that.
    #[schema(example = "bounces.example.org")]
    pub return_path_domain: Option<String>,
    /// Whether there is nothing to mend.
    pub fine: bool,
    /// One by one.
    pub checks: Vec<Check>,
}

/// One thing that receivers look for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Check {
    /// `spf`, `dkim`, `dmarc` or `mx`.
    #[schema(example = "spf")]
    pub name: &'static str,
    /// `ok`; `finding`: to be mended; `note`: nothing is wrong, but something can not be seen from here.
    #[schema(example = "finding")]
    pub state: State,
    /// The name that was looked up.
    #[schema(example = "example.org")]
    pub record_name: String,
    /// What stands there.
    pub found: Vec<String>,
    /// What that means, in words.
    #[schema(example = "There is no SPF record.")]
    pub explanation: String,
    /// The record that would be right, where it can be said; it takes the place of the one of its kind.
    pub wanted: Option<Wanted>,
}

/// See [`Check::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// To be mended.
    Finding,
    /// Nothing is wrong that could be seen.
    Note,
}

/// A record of the DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Wanted {
    /// Where it stands.
    #[schema(example = "_dmarc.example.org")]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(example = "TXT")]
    pub kind: &'static str,
    /// What it says.
    #[schema(example = "v=DMARC1; p=none")]
    pub value: String,
}

impl Wanted {
    fn txt(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            kind: "TXT",
            value: value.into(),
        }
    }
}

impl Check {
    fn new(name: &'static str, state: State, record_name: &str, explanation: String) -> Self {
        Self {
            name,
            state,
            record_name: record_name.to_owned(),
            found: Vec::new(),
            explanation,
            wanted: None,
        }
    }

    fn found(self, found: &[String]) -> Self {
        Self {
            found: found.to_vec(),
            ..self
        }
    }

    fn wanted(self, wanted: Wanted) -> Self {
        Self {
            wanted: Some(wanted),
            ..self
        }
    }

    /// It could not be found out.
    fn unanswered(name: &'static str, record_name: &str) -> Self {
        let explanation = format!(
            "The DNS gave no answer about {record_name}. Receivers may get none either: try again, and if it stays so, \
             look at the domain's name servers."
        );
        Self::new(name, State::Finding, record_name, explanation)
    }
}

/// Looks everything up.
///
/// # Errors
/// [`NoAnswer`] when nothing at all can be looked up.
pub async fn check(sender: &Sender, dns: &Dns) -> Result<Report, NoAnswer> {
    let spf = spf::check(sender, dns).await;
    let dkim = dkim::check(sender, dns).await;
    let dmarc = dmarc::check(sender, dns, spf.state, dkim.state).await;
    let mx = mx::check(sender, dns).await;
    let checks: Vec<Check> = [vec![spf, dkim, dmarc], mx].concat();
    if !dns.has_answered() {
        return Err(NoAnswer);
    }
    Ok(Report {
        from_domain: sender.from_domain.clone(),
        return_path_domain: sender.return_path_domain.clone(),
        fine: checks.iter().all(|check| check.state != State::Finding),
        checks,
    })
}

/// The value of a tag in a record of `tag=value;` pieces.
fn tag<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    record.split(';').find_map(|piece| {
        let (key, value) = piece.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
