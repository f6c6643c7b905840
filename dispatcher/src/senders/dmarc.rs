//! What the domain in `From` asks receivers to do, and whether our mails pass.

use super::{Check, Dns, NoAnswer, Sender, State, Wanted, tag};

const NAME: &str = "dmarc";
/// Most names that are looked up on the way to the parent domains.
const NAMES_MAX: usize = 8;

/// `spf`, `dkim`: how the other two checks came out.
pub(super) async fn check(sender: &Sender, dns: &Dns, spf: State, dkim: State) -> Check {
    let from = &sender.from_domain;
    let name = format!("_dmarc.{from}");
    let wanted = || Wanted::txt(&name, "v=DMARC1; p=none");
    let (domain, records) = match policy(from, dns).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            let explanation = format!(
                "There is no DMARC record for {from}. Gmail, Yahoo and Outlook ask for one of whoever sends to many."
            );
            return Check::new(NAME, State::Finding, &name, explanation).wanted(wanted());
        }
        Err(NoAnswer) => return Check::unanswered(NAME, &name),
    };
    let name = format!("_dmarc.{domain}");
    let check = |state, explanation| Check::new(NAME, state, &name, explanation).found(&records);
    let [record] = records.as_slice() else {
        let explanation =
            "There are several DMARC records, so receivers pass over all of them: leave one.";
        return check(State::Finding, explanation.to_owned());
    };
    let inherited = domain != *from;
    let asked = if inherited { tag(record, "sp") } else { None }.or_else(|| tag(record, "p"));
    let asked = asked.unwrap_or_default().to_ascii_lowercase();
    let what = match asked.as_str() {
        "none" => "mails that do not pass are delivered all the same",
        "quarantine" => "mails that do not pass go to the spam folder",
        "reject" => "mails that do not pass are refused",
        _ => {
            let explanation = "The DMARC record asks for nothing receivers know: p= must be none, quarantine or reject.";
            return check(State::Finding, explanation.to_owned()).wanted(wanted());
        }
    };
    let is_aligned = |other: &str, mode: &str| {
        let strict = tag(record, mode).is_some_and(|mode| mode.eq_ignore_ascii_case("s"));
        other == from || (!strict && is_within(other, &domain) && is_within(from, &domain))
    };
    let Some(return_path) = &sender.return_path_domain else {
        let explanation = format!(
            "Whether mails pass depends on what the provider signs and sends with: turn DKIM on for {from} there; {what}."
        );
        return check(State::Note, explanation);
    };
    let by_spf = spf != State::Finding && is_aligned(return_path, "aspf");
    let signer = sender.signer.as_ref();
    let by_dkim = dkim == State::Ok && signer.is_some_and(|it| is_aligned(&it.domain, "adkim"));
    let passes = match (by_spf, by_dkim) {
        (true, true) => "Mails pass by SPF and by DKIM",
        (true, false) if spf == State::Note => {
            let explanation = format!(
                "Whether mails pass depends on SPF alone, which can not be judged from here; {what}."
            );
            return check(State::Note, explanation);
        }
        (true, false) => "Mails pass by SPF, as long as nobody passes them on",
        (false, true) => "Mails pass by DKIM",
        (false, false) => {
            let explanation = format!(
                "Mails do not pass, and {what}: neither SPF (for {}) nor DKIM (for {}) is in order for a domain that \
                 belongs to {from} as the record asks for it.",
                return_path,
                signer.map_or("no domain: the channel does not sign", |it| &it.domain),
            );
            return check(State::Finding, explanation);
        }
    };
    check(State::Ok, format!("{passes}; {what}."))
}

/// The nearest domain with DMARC records, from `domain` to its parents, and the records.
async fn policy(domain: &str, dns: &Dns) -> Result<Option<(String, Vec<String>)>, NoAnswer> {
    let mut at = domain;
    for _ in 0..NAMES_MAX {
        let mut records = dns.texts(&format!("_dmarc.{at}")).await?;
        records.retain(|record| tag(record, "v") == Some("DMARC1"));
        if !records.is_empty() {
            return Ok(Some((at.to_owned(), records)));
        }
        match at.split_once('.') {
            // A domain of one label belongs to nobody who sends mail.
            Some((_, parent)) if parent.contains('.') => at = parent,
            _ => break,
        }
    }
    Ok(None)
}

fn is_within(domain: &str, parent: &str) -> bool {
    domain == parent
        || domain
            .strip_suffix(parent)
            .is_some_and(|rest| rest.ends_with('.'))
}
