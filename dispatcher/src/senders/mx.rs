//! Whether what comes back finds a mail server.

use super::{Check, Dns, NoAnswer, Sender, State, Wanted};

const NAME: &str = "mx";

/// Of the domain that answers go to, and of the one that reports go to if it is another.
pub(super) async fn check(sender: &Sender, dns: &Dns) -> Vec<Check> {
    let mut checks = Vec::new();
    let return_path = sender.return_path_domain.as_ref();
    if return_path != Some(&sender.from_domain) {
        checks.push(of(&sender.from_domain, "answers to your mails", dns).await);
    }
    if let Some(domain) = return_path {
        let what = "reports about mails that were not delivered";
        checks.push(of(domain, what, dns).await);
    }
    checks
}

async fn of(domain: &str, what: &str, dns: &Dns) -> Check {
    let check = |state, explanation| Check::new(NAME, state, domain, explanation);
    let wanted = Wanted {
        name: domain.to_owned(),
        kind: "MX",
        value: "10 and the name of the mail server that takes them".to_owned(),
    };
    let servers = match dns.mail_servers(domain).await {
        Ok(servers) => servers,
        Err(NoAnswer) => return Check::unanswered(NAME, domain),
    };
    if servers.iter().any(|server| server == ".") {
        let explanation = format!(
            "{domain} says that it takes no mail at all, and {what} go there. Many receivers refuse mail from such a domain."
        );
        return check(State::Finding, explanation)
            .found(&servers)
            .wanted(wanted);
    }
    if !servers.is_empty() {
        let explanation = format!("{what} go to {}.", servers.join(", "));
        return check(State::Ok, capital(&explanation)).found(&servers);
    }
    match dns.addresses(domain).await {
        Err(NoAnswer) => Check::unanswered(NAME, domain),
        Ok(addresses) if addresses.is_empty() => {
            let explanation = format!(
                "{domain} has neither a mail server nor an address, so {what} are lost. Many receivers refuse mail from \
                 such a domain."
            );
            check(State::Finding, explanation).wanted(wanted)
        }
        Ok(_) => {
            let explanation = format!(
                "{domain} names no mail server, so {what} are tried at the domain's own address. Name one, if that is not \
                 meant so."
            );
            check(State::Note, explanation).wanted(wanted)
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
