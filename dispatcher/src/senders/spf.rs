//! Whether the envelope's domain lets the relay send for it.

mod record;
mod walk;

use std::net::IpAddr;

use super::{Check, Dns, NoAnswer, Sender, State, Wanted};
use record::{is_spf, with_relay};
use walk::{Verdict, Walk};

const NAME: &str = "spf";
/// Most addresses of a relay that are judged.
const ADDRESSES_MAX: usize = 8;

pub(super) async fn check(sender: &Sender, dns: &Dns) -> Check {
    let Some(domain) = &sender.return_path_domain else {
        let text = "Mails leave with a domain of the provider in the envelope, or one that is set up there, whose SPF is \
                    the provider's to say. It helps DMARC only if it is a domain of yours.";
        return Check::new(NAME, State::Note, &sender.from_domain, text.to_owned());
    };
    judged(sender, domain, dns)
        .await
        .unwrap_or_else(|NoAnswer| Check::unanswered(NAME, domain))
}

async fn judged(sender: &Sender, domain: &str, dns: &Dns) -> Result<Check, NoAnswer> {
    let mut records = dns.texts(domain).await?;
    records.retain(|text| is_spf(text));
    let check = |state, text| Check::new(NAME, state, domain, text).found(&records);
    let wanted = |record: &str| {
        let relay = sender.relay.as_ref()?;
        Some(Wanted::txt(domain, with_relay(record, relay)))
    };
    let with = |check: Check, record: &str| Check {
        wanted: wanted(record),
        ..check
    };
    let record = match records.as_slice() {
        [] => {
            let text = format!(
                "There is no SPF record for {domain}, so no receiver knows which servers may send for it."
            );
            return Ok(with(check(State::Finding, text), "v=spf1 ~all"));
        }
        [record] => record,
        _ => {
            let text = "There are several SPF records, so receivers pass over all of them: put them into one.";
            return Ok(check(State::Finding, text.to_owned()));
        }
    };
    let addresses = match &sender.relay {
        Some(relay) => relay_addresses(relay, dns).await?,
        None => Vec::new(),
    };
    if let Verdict::Invalid(why) = Walk::over(dns, domain, None).await? {
        let text = format!("Receivers can not use the SPF record: {why}.");
        return Ok(check(State::Finding, text));
    }
    let relay = sender.relay.as_deref().unwrap_or_default();
    if addresses.is_empty() || addresses.iter().any(|it| !is_public(it)) {
        let text = "The SPF record is in order. From which addresses your mails reach their receivers can not be seen \
                    from here, so see to it that it names them.";
        return Ok(check(State::Note, text.to_owned()));
    }
    let mut refused = Vec::new();
    let mut unsure = false;
    for address in &addresses {
        match Walk::over(dns, domain, Some(*address)).await? {
            Verdict::Pass => {}
            Verdict::Unsure => unsure = true,
            Verdict::NotPass | Verdict::Invalid(_) => refused.push(address.to_string()),
        }
    }
    if !refused.is_empty() {
        let text = format!(
            "The SPF record does not let {relay} ({}) send for {domain}. If your provider sends from other addresses than \
             the one that takes your mails, put in what the provider names instead.",
            refused.join(", ")
        );
        return Ok(with(check(State::Finding, text), record));
    }
    if unsure {
        let text = format!(
            "The SPF record depends on the single mail (macros or ptr), so whether {relay} may send can not be told."
        );
        return Ok(check(State::Note, text));
    }
    let text = format!("The SPF record lets {relay} send for {domain}.");
    Ok(check(State::Ok, text))
}

async fn relay_addresses(relay: &str, dns: &Dns) -> Result<Vec<IpAddr>, NoAnswer> {
    let mut addresses = match relay.parse() {
        Ok(address) => vec![address],
        Err(_) => dns.addresses(relay).await?,
    };
    addresses.truncate(ADDRESSES_MAX);
    Ok(addresses)
}

/// Whether receivers can see it: from other addresses a relay reaches nobody by itself.
fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => !(it.is_loopback() || it.is_private() || it.is_link_local()),
        IpAddr::V6(it) => !(it.is_loopback() || it.is_unique_local() || it.is_unicast_link_local()),
    }
}
