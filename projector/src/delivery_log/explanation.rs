//! Why a delivery is where it is, in words that an editor understands.

use tidings_proto::Reason;
use tidings_proto::reason::words;
use tidings_service::clock::shown;
use time::OffsetDateTime;

use super::around::Around;
use super::{Class, Delivery, Feedback};

/// One or two sentences: of every delivery how it was settled, or what it waits for.
pub(super) fn explanation(it: &Delivery, around: &Around, now: OffsetDateTime) -> String {
    let why = it.reason.as_deref().map(words);
    let why = why.as_deref().unwrap_or("why is not on record");
    let answered = match it.code {
        Some(code) => format!(" (the answer was {code})"),
        None => String::new(),
    };
    let course = match it.class {
        Class::Pending => pending(it, &answered, around, now),
        Class::Sent => "The receiving side took it.".to_owned(),
        Class::Failed => format!("It was given up: {why}{answered}.{}", met(it)),
        Class::Suppressed | Class::Cancelled if it.doubted_attempt.is_some() => {
            format!("It is not sent any more: {why}.")
        }
        Class::Suppressed => format!("It was not sent: {why}."),
        Class::Cancelled => format!("It was cancelled before it went out: {why}."),
        Class::InDoubt => {
            let again = match it.attempts {
                _ if around.is_cancelled(it.publication_id) => {
                    "again, since its publication was cancelled"
                }
                ..=1 => "again, so that nobody gets it twice, unless somebody asks for it",
                _ => "once more, unless somebody asks for it",
            };
            format!("Nobody knows whether it arrived: {why}. It is not sent {again}.")
        }
    };
    format!("{course}{}{}", doubted(it), said(it))
}

/// Why it was put off before it was given up for that.
fn met(it: &Delivery) -> String {
    let is_for_that = it.reason.as_deref() == Some(Reason::GaveUp.as_str());
    let met = it.deferred_reason.as_deref().filter(|_| is_for_that);
    met.map_or_else(String::new, |code| {
        format!(" Before that: {}.", words(code))
    })
}

/// That an attempt before the one that settled it may have arrived, of what is said to be settled otherwise.
fn doubted(it: &Delivery) -> &'static str {
    let is_earlier = match it.class {
        Class::Suppressed | Class::Cancelled => it.doubted_attempt.is_some(),
        Class::Sent | Class::Failed => it
            .doubted_attempt
            .is_some_and(|doubted| doubted < it.attempts),
        Class::Pending => it.doubted_attempt.is_some() && it.status != "in_doubt",
        Class::InDoubt => false,
    };
    match (is_earlier && it.feedback.is_none(), it.class) {
        (false, _) => "",
        // The message is the same, and its receiver may have it twice.
        (true, Class::Sent) => " An earlier attempt may have arrived too: nobody knows.",
        (true, _) => " Nobody knows whether an earlier attempt arrived.",
    }
}

fn pending(it: &Delivery, answered: &str, around: &Around, now: OffsetDateTime) -> String {
    if it.status == "attempted" {
        return "An attempt is under way.".to_owned();
    }
    let tried = match (&it.reason, it.status.as_str()) {
        // Nobody's trouble: it is wanted later.
        (Some(reason), "abandoned") if is_wish(reason) => String::new(),
        (Some(reason), "in_doubt") => {
            format!(
                " Nobody knows whether the last attempt arrived: {}.",
                words(reason)
            )
        }
        (Some(reason), "abandoned") => {
            format!(" Nothing was sent the last time: {}.", words(reason))
        }
        (Some(reason), _) => {
            format!(
                " The last attempt did not succeed: {}{answered}.",
                words(reason)
            )
        }
        (None, _) => String::new(),
    };
    let waits = around.keeps(it.publication_id, it.channel_id, now);
    let waits = waits.unwrap_or_else(|| its_time(it, around, now));
    format!("Waits: {waits}.{tried}")
}

/// Nothing but its own time and turn keeps it.
fn its_time(it: &Delivery, around: &Around, now: OffsetDateTime) -> String {
    let later = it
        .due_at
        .filter(|at| *at > now && !waits_no_longer(it, around));
    let Some(at) = later.map(shown) else {
        let slows = around.slows(it.channel_id, now);
        return slows.map_or_else(
            || "it is due, and goes out when its turn comes, as fast as the receiving side takes messages".to_owned(),
            |slows| format!("it is due, and {slows}"),
        );
    };
    match (it.status.as_str(), it.reason.as_deref()) {
        ("abandoned", Some(reason)) if is_wish(reason) => {
            format!("{}; it goes out at {at} at the earliest", words(reason))
        }
        // Whose reader has said nothing of the kind is due at once.
        ("planned", _) => format!("its reader wants it at {at} at the earliest"),
        ("reopened", _) => format!("it is to be sent again, at {at} at the earliest"),
        _ => format!("it is tried again at {at}"),
    }
}

/// Its channel had kept it back, and works again.
fn waits_no_longer(it: &Delivery, around: &Around) -> bool {
    let reason = it.reason.as_deref().and_then(Reason::parse);
    it.status == "deferred"
        && reason.is_some_and(|reason| around.frees(it.position, reason, it.channel_id))
}

fn is_wish(reason: &str) -> bool {
    reason == Reason::Preferences.as_str()
}

/// What the receiving side said afterwards.
fn said(it: &Delivery) -> String {
    let why = it.feedback_reason.as_deref().map(words);
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    match it.feedback {
        None => String::new(),
        Some(Feedback::Delivered) => " It reached the receiver's own server.".to_owned(),
        Some(Feedback::Bounced) => format!(" It came back afterwards{why}."),
        Some(Feedback::Complained) => {
            format!(" The receiver complained about it afterwards{why}.")
        }
    }
}

#[cfg(test)]
mod tests;
