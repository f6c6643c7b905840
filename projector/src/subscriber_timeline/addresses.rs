//! Sentences of what happened to an address while a subscriber held it.

use tidings_proto::Event;

use super::held::About;
use super::words::Known;

/// The sentence; `None`: the event is about no address.
pub(super) fn of_address(event: &Event, known: &Known<'_>) -> Option<String> {
    let nothing = About::default();
    let about = known.held.unwrap_or(&nothing);
    Some(match event {
        Event::AddressClaimed(_) => format!(
            "{} became theirs, and nobody else can have it.{}{}",
            what(about, false),
            stood("It", &about.standing),
            stood("Its whole domain", &about.domain_standing)
        ),
        Event::AddressReleased(_) => format!(
            "{} is theirs no more: somebody else may have it from here on.",
            what(about, false)
        ),
        Event::SuppressionAdded(it) => {
            let is_domain = it.scope == "domain";
            let by = match known.title.or(known.channel) {
                Some(_) => format!(" {} showed it.", known.message()),
                None => String::new(),
            };
            format!(
                "{} was put on the suppression list: {}.{by} Nothing is sent to {} while that stands.",
                what(about, is_domain),
                reason(&it.reason),
                if is_domain { "any address of it" } else { "it" }
            )
        }
        Event::SuppressionLifted(it) => {
            let (what, lifted) = (what(about, about.is_domain), reasons(&it.reasons));
            match about.standing.is_empty() {
                true => {
                    format!(
                        "{what} was taken off the suppression list. It had stood there: {lifted}."
                    )
                }
                false => format!(
                    "{what} stays on the suppression list, though this was taken back: {lifted}. What still stands: {}.",
                    reasons(&about.standing)
                ),
            }
        }
        _ => return None,
    })
}

fn what(about: &About, is_domain: bool) -> String {
    match (about.what.is_empty(), is_domain) {
        (true, true) => "A domain".to_owned(),
        (true, false) => "An address".to_owned(),
        (false, true) => format!("The domain “{}”", about.what),
        (false, false) => format!("The address “{}”", about.what),
    }
}

/// What stood against it before it was theirs.
fn stood(what: &str, standing: &[String]) -> String {
    match standing.is_empty() {
        true => String::new(),
        false => format!(
            " {what} was on the suppression list already: {}.",
            reasons(standing)
        ),
    }
}

fn reasons(codes: &[String]) -> String {
    let mut words: Vec<&str> = codes.iter().map(|code| reason(code)).collect();
    words.dedup();
    words.join("; ")
}

/// Why something is on the list. Whoever had an address before was erased or moved: which of the two is their story.
fn reason(code: &str) -> &str {
    match code {
        "manual" => "by hand",
        "hard_bounce" => "a message came back, for nobody has that address",
        "complaint" => "a message was called spam",
        "import" => "a file that somebody imported said so",
        "unsubscribed" => "whoever has it wanted no more mail",
        "erased" | "moved" => "nobody had it any more",
        other => other,
    }
}
