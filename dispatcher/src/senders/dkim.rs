//! Whether receivers find the key that verifies our signature.

use super::{Check, Dns, NoAnswer, Sender, Signer, State, Wanted, tag};

const NAME: &str = "dkim";

pub(super) async fn check(sender: &Sender, dns: &Dns) -> Check {
    let Some(signer) = &sender.signer else {
        let explanation = if sender.return_path_domain.is_none() {
            "The provider signs: turn DKIM on for the domain there, and put the records it names into the DNS."
        } else {
            "The channel does not sign. Unless your provider does, many receivers will not take its mails: \
                           set dkim_selector, dkim_domain and dkim_private_key, or see to it that the provider signs for \
                           your domain."
        };
        return Check::new(
            NAME,
            State::Note,
            &sender.from_domain,
            explanation.to_owned(),
        );
    };
    let name = format!("{}._domainkey.{}", signer.selector, signer.domain);
    let texts = match dns.texts(&name).await {
        Ok(texts) => texts,
        Err(NoAnswer) => return Check::unanswered(NAME, &name),
    };
    let keys: Vec<&String> = texts
        .iter()
        .filter(|text| tag(text, "p").is_some())
        .collect();
    let wrong = match keys.as_slice() {
        [] => Some("there is no key there".to_owned()),
        [key] => fault(key, signer),
        _ => Some("there are several keys there, and receivers may take any of them".to_owned()),
    };
    match wrong {
        None => {
            let testing = keys.iter().any(|key| has_flag(key, "t", "y"));
            let mut explanation = "The key there is the public half of the channel's.".to_owned();
            if testing {
                explanation.push_str(
                    " It says that it is only being tried (t=y), so receivers treat its mails as unsigned.",
                );
            }
            let state = if testing { State::Finding } else { State::Ok };
            let check = Check::new(NAME, state, &name, explanation).found(&texts);
            match testing {
                true => check.wanted(wanted(&name, signer)),
                false => check,
            }
        }
        Some(wrong) => {
            let explanation = format!("Receivers can not verify the channel's signature: {wrong}.");
            Check::new(NAME, State::Finding, &name, explanation)
                .found(&texts)
                .wanted(wanted(&name, signer))
        }
    }
}

/// What keeps a record from verifying what we sign.
fn fault(record: &str, signer: &Signer) -> Option<String> {
    let version = tag(record, "v").unwrap_or("DKIM1");
    if version != "DKIM1" {
        return Some(format!("its version is {version} and not DKIM1"));
    }
    let key: String = tag(record, "p")?.split_whitespace().collect();
    if key.is_empty() {
        return Some("the key was revoked (p= is empty)".to_owned());
    }
    let algorithm = tag(record, "k").unwrap_or("rsa");
    if algorithm != signer.algorithm {
        let ours = signer.algorithm;
        return Some(format!(
            "the key there is of the kind {algorithm}, and the channel's is {ours}"
        ));
    }
    if tag(record, "h").is_some() && !has_flag(record, "h", "sha256") {
        return Some("it does not allow SHA-256 (h=)".to_owned());
    }
    if tag(record, "s").is_some() && !has_flag(record, "s", "email") && !has_flag(record, "s", "*")
    {
        return Some("it is not meant for mail (s=)".to_owned());
    }
    (key != signer.public_key)
        .then(|| "the key there belongs to another private key than the channel's".to_owned())
}

fn has_flag(record: &str, name: &str, flag: &str) -> bool {
    let value = tag(record, name).unwrap_or_default();
    value
        .split(':')
        .any(|one| one.trim().eq_ignore_ascii_case(flag))
}

fn wanted(name: &str, signer: &Signer) -> Wanted {
    let Signer {
        algorithm,
        public_key,
        ..
    } = signer;
    Wanted::txt(name, format!("v=DKIM1; k={algorithm}; p={public_key}"))
}
