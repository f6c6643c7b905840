//! One sentence for each event that can be about a subscriber, in words that whoever answers for the data understands.

use std::collections::HashMap;

use tidings_event_store::hex::Hex;
use tidings_proto::reason::words as code;
use tidings_proto::{Event, access, delivery, from_us, subscriber};
use tidings_service::clock::shown;
use uuid::Uuid;

use super::addresses::of_address;
use super::evidence::Evidence;
use super::held::About;
use super::phrases::phrase;
use super::spoken;
use crate::hit::{Did, hit};
use crate::opened::Words;

/// What is known of an event beside its payload.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    /// Its sealed values.
    pub(crate) opened: &'a [(String, Words)],
    /// Of a delivery: the title of what it brings.
    pub(crate) title: Option<&'a str>,
    /// Of a delivery: what the way out is called.
    pub(crate) channel: Option<&'a str>,
    /// What the topic or channel is called that they left or came back to.
    pub(crate) part: Option<&'a str>,
    /// Of an address, or what was said of it on the suppression list: which one it is, and what else is known of it.
    pub(crate) held: Option<&'a About>,
    /// What topics are called that somebody weighs.
    pub(crate) topics: Option<&'a HashMap<Uuid, String>>,
}

impl Known<'_> {
    /// A sealed value: itself, that it is erased, or nothing when there is none.
    fn quoted(&self, field: &str) -> Option<String> {
        let (_, words) = self.opened.iter().find(|(name, _)| name == field)?;
        Some(match words {
            Words::Known(text) => {
                let spoken = self.spoken(field, text);
                spoken.unwrap_or_else(|| format!("“{text}”"))
            }
            Words::Erased => "(erased)".to_owned(),
        })
    }

    /// A value that is JSON, in words.
    fn spoken(&self, field: &str, text: &str) -> Option<String> {
        let none = HashMap::new();
        match field {
            "attributes" => spoken::attributes(text),
            "evidence" => spoken::evidence(text).map(|it| it + "."),
            "preferences" => {
                let topics = self.topics.unwrap_or(&none);
                spoken::preferences(text, topics).map(|it| it + ".")
            }
            _ => None,
        }
    }

    /// The same behind a few words.
    fn with(&self, before: &str, field: &str) -> String {
        let quoted = self.quoted(field);
        quoted.map_or_else(String::new, |text| format!("{before}{text}"))
    }

    pub(super) fn message(&self) -> String {
        let title = match self.title {
            Some(title) => format!("The message “{title}”"),
            None => "A message".to_owned(),
        };
        match self.channel {
            Some(channel) => format!("{title} by the channel “{channel}”"),
            None => title,
        }
    }
}

/// The sentence; `None`: the event is of a kind that is not about a subscriber.
pub(crate) fn sentence(event: &Event, known: &Known<'_>) -> Option<String> {
    of_subscriber(event, known)
        .or_else(|| of_record(event, known))
        .or_else(|| of_access(event, known))
        .or_else(|| of_delivery(event, known))
        .or_else(|| of_feedback(event, known))
        .or_else(|| of_engagement(event, known))
        .or_else(|| of_address(event, known))
}

/// The sentence of an event that has none of its own.
pub(crate) fn fallback(event_type: &str) -> String {
    match phrase(event_type) {
        Some(phrase) => {
            let mut letters = phrase.chars();
            let first = letters.next().map(char::to_uppercase).into_iter().flatten();
            first.chain(letters).chain(['.']).collect()
        }
        None => format!("An event {event_type}, which only a later version has words for."),
    }
}

fn of_subscriber(event: &Event, known: &Known<'_>) -> Option<String> {
    Some(match event {
        Event::SubscriberSignedUp(it) => signed_up(it, known),
        Event::SubscriberConfirmed(it) => format!(
            "{} ({}).{}{}",
            match it.delivery_id.is_empty() {
                true => "Their sign-up was confirmed for them",
                false => "They confirmed that they want mail",
            },
            method(&it.method),
            known.with(" They agreed to: ", "consent"),
            known.with(" Evidence of the request: ", "evidence")
        ),
        Event::SubscriberUnsubscribed(it) => unsubscribed(it, known),
        Event::SubscriberResubscribed(it) => format!(
            "{}: {}.{}",
            came_back(it, known),
            method(&it.method),
            known.with(" Evidence of the request: ", "evidence")
        ),
        Event::SubscriberPreferencesChanged(it) => format!(
            "They changed how they want to get what they get ({}): {}.{}{}",
            it.changed.join(", ").replace('_', " "),
            method(&it.method),
            known.with(" Since then: ", "preferences"),
            known.with(" Evidence of the request: ", "evidence")
        ),
        Event::SubscriberContactChanged(it) => format!(
            "Their address was changed to {} ({}). Nothing is sent to the one they had.",
            known
                .quoted("email")
                .unwrap_or_else(|| "(erased)".to_owned()),
            method(&it.method)
        ),
        Event::SubscriberErasureRequested(it) => {
            let basis = match it.basis.as_str() {
                "request" => "they asked for it",
                "operator" => "whoever runs the platform decided so",
                "restored" => "a restored log had to learn it again",
                other => other,
            };
            format!(
                "The erasure of their data was asked for ({basis}{}). Nothing is sent to them any more.",
                at(", on ", it.asked_at_us)
            )
        }
        Event::SubscriberErased(it) => format!(
            "Their data were destroyed: {}, and what they opened cannot be read any more, in any copy of the log.",
            count(
                it.shredded.len(),
                "key was destroyed",
                "keys were destroyed"
            )
        ),
        _ => return None,
    })
}

fn of_record(event: &Event, known: &Known<'_>) -> Option<String> {
    let Event::RecordChanged(it) = event else {
        return None;
    };
    let name = match it.name_removed {
        true => " Their name was taken away.".to_owned(),
        false => known.with(" Their name: ", "name"),
    };
    Some(format!(
        "What is known of them was changed.{name}{}{}",
        known.with(" Attributes: ", "attributes"),
        known.with(" Tags: ", "tags"),
    ))
}

fn signed_up(it: &subscriber::SignedUp, known: &Known<'_>) -> String {
    let how = match it.source.as_str() {
        "api" => "through the API",
        "import" => "with a file of subscribers",
        "form" => "by the form for sign-ups",
        other => other,
    };
    let confirmed = match it.confirmation.as_str() {
        "not_required" => "Whoever signed them up answers for their consent.",
        _ => "Nothing is sent to them before they confirm it.",
    };
    format!(
        "They were signed up {how}, with the address {}{}{}. {confirmed}{}{}",
        known
            .quoted("email")
            .unwrap_or_else(|| "(erased)".to_owned()),
        known.with(", the name ", "name"),
        known.with(" and the attributes ", "attributes"),
        known.with(" They agreed to: ", "consent"),
        known.with(" Evidence of the request: ", "evidence"),
    )
}

fn unsubscribed(it: &subscriber::Unsubscribed, known: &Known<'_>) -> String {
    let what = match part(&it.topic_id, &it.channel_id, known) {
        None => "They left: they want nothing any more".to_owned(),
        Some(part) => format!("They left {part}"),
    };
    format!(
        "{what} ({}).{}",
        method(&it.method),
        known.with(" Evidence of the request: ", "evidence")
    )
}

/// A topic need not have been left before it is asked for.
fn came_back(it: &subscriber::Resubscribed, known: &Known<'_>) -> String {
    match part(&it.topic_id, &it.channel_id, known) {
        None => "They came back".to_owned(),
        Some(part) if !it.topic_id.is_empty() => format!("They asked for {part}"),
        Some(part) => format!("They came back to {part}"),
    }
}

/// What was left, asked for, or come back to; `None`: everything.
fn part(topic_id: &[u8], channel_id: &[u8], known: &Known<'_>) -> Option<String> {
    let what = match (topic_id.is_empty(), channel_id.is_empty()) {
        (true, true) => return None,
        (false, _) => "topic",
        (true, false) => "channel",
    };
    Some(match known.part {
        Some(name) => format!("the {what} “{name}”"),
        None => format!("one {what}"),
    })
}

fn method(method: &str) -> &str {
    match method {
        "one_click" => "by the button of their mail program",
        "mail" => "by a mail to the address that the message names for it",
        "page" => "on the page behind the link",
        "link" => "by the button behind the link of the mail that asked them",
        "api" => "somebody did it for them, through the API",
        "import" => "they stand in a file that somebody imported",
        "restored" => "the witness of a restored log says so; how is lost",
        other => other,
    }
}

fn of_access(event: &Event, known: &Known<'_>) -> Option<String> {
    Some(match event {
        Event::AccessViewed(it) => viewed(it, known),
        Event::AccessExported(it) => format!(
            "All that is on record of them was handed out in a file{}: {} up to position {}, SHA-256 {}.{}",
            match it.method.as_str() {
                "link" => ", by the link of a mail to them",
                _ => "",
            },
            count(
                usize::try_from(it.events).unwrap_or_default(),
                "event",
                "events"
            ),
            it.through_position,
            Hex(&it.digest),
            known.with(" Why: ", "reason")
        ),
        Event::AccessNoticeIssued(it) => {
            let asks = match it.kind.as_str() {
                // What became of that mail is told of the mail itself.
                "confirm_sign_up" => "A mail is to ask them whether they want to be subscribed",
                "preferences_changed" => "A mail is to tell them that what they get was changed",
                "own_data" => {
                    "Somebody with one of their mails asked for all that is held about them: a mail is to bring them a link to it"
                }
                other => return Some(format!("The platform wrote to them by itself: {other}.")),
            };
            format!(
                "{asks}.{}{}",
                known.with(" To what: ", "consent"),
                known.with(" Evidence of the request: ", "evidence")
            )
        }
        _ => return None,
    })
}

fn viewed(it: &access::Viewed, known: &Known<'_>) -> String {
    let what = match it.what.as_str() {
        "profile" => "Somebody looked at their profile",
        "search" => "Somebody found them by their address",
        "timeline" => "Somebody looked at this timeline",
        "bulk_export" => "Their data were handed out in a file of many subscribers",
        other => {
            return format!(
                "Somebody looked at: {other}.{}",
                known.with(" Why: ", "reason")
            );
        }
    };
    format!("{what}.{}", known.with(" Why: ", "reason"))
}

fn of_delivery(event: &Event, known: &Known<'_>) -> Option<String> {
    let message = || known.message();
    Some(match event {
        Event::DeliveryPlanned(it) => format!(
            "{} was planned for them{}.",
            message(),
            at(", not to go out before ", it.due_at_us)
        ),
        Event::DeliveryAttempted(it) => format!("{}: attempt {} began.", message(), it.attempt),
        Event::DeliverySent(it) => {
            let answer = answer(it.code, known.quoted("reply"));
            format!("{} was taken by the receiving side{answer}.", message())
        }
        Event::DeliveryDeferred(it) => {
            let answer = answer(it.code, known.quoted("reply"));
            format!(
                "{} was not taken this time: {}{answer}. It is tried again{}.",
                message(),
                code(&it.reason),
                at(" after ", it.retry_at_us)
            )
        }
        Event::DeliveryFailed(it) => failed(it, known),
        Event::DeliverySuppressed(it) => {
            format!("{} was kept back: {}.", message(), code(&it.reason))
        }
        Event::DeliveryCancelled(it) => {
            format!("{} was cancelled: {}.", message(), code(&it.reason))
        }
        Event::DeliveryAbandoned(it) => format!(
            "{}: attempt {} ended before anything was sent ({}).",
            message(),
            it.attempt,
            code(&it.reason)
        ),
        Event::DeliveryInDoubt(it) => {
            let then = match it.retry_at_us {
                0 => "It is not sent again, so that they do not get it twice.",
                _ => "It is sent once more.",
            };
            format!(
                "{}: nobody knows whether it arrived ({}). {then}",
                message(),
                code(&it.reason)
            )
        }
        Event::DeliveryReopened(_) => format!(
            "{} had not arrived for certain; somebody asked to send it again.",
            message()
        ),
        _ => return None,
    })
}

fn failed(it: &delivery::Failed, known: &Known<'_>) -> String {
    let answer = answer(it.code, known.quoted("reply"));
    format!(
        "{} was given up: {}{answer}.",
        known.message(),
        code(&it.reason)
    )
}

/// What the receiving side said afterwards.
fn of_feedback(event: &Event, known: &Known<'_>) -> Option<String> {
    let message = known.message();
    Some(match event {
        Event::DeliveryDelivered(_) => format!("{message} reached their own mail server."),
        Event::DeliveryBounced(it) => {
            let then = match it.class.as_str() {
                "hard" => "The address takes no mail.",
                _ => "This one did not get there.",
            };
            format!(
                "{message} came back: {}{}. {then}",
                code(&it.reason),
                answer(0, known.quoted("detail"))
            )
        }
        Event::DeliveryComplained(it) => format!(
            "They called it spam or worse ({}). {message} is what they complained about.",
            code(&it.kind)
        ),
        _ => return None,
    })
}

/// What was done with a message, as it told itself.
fn of_engagement(event: &Event, known: &Known<'_>) -> Option<String> {
    let hit = hit(event)?;
    let evidence = Evidence::of(known.opened);
    let program = match evidence.user_agent {
        Some(name) => format!("{} (“{name}”)", agent(hit.agent)),
        None => agent(hit.agent).to_owned(),
    };
    let link = match &evidence.url {
        Some(url) => format!("a link to “{url}”"),
        None => "a link".to_owned(),
    };
    let said = match (hit.did, hit.machine) {
        (Did::Open, false) => format!("was opened: its picture was fetched by {program}"),
        (Did::Click, false) => format!("was read: {link} in it was followed by {program}"),
        (Did::Open, true) => format!(
            "had its picture fetched by {program}; that does not say that anybody opened it"
        ),
        (Did::Click, true) => {
            format!("had {link} in it followed by {program}; that does not say that anybody did")
        }
    };
    let kept = match evidence.is_kept {
        true => "",
        false => " What else was known of it is no longer kept.",
    };
    Some(format!("{} {said}.{kept}", known.message()))
}

/// What kind of program did it.
fn agent(code: &str) -> &str {
    match code {
        "reader" => "a browser or mail program",
        "proxy" => "a mail provider's program, which does so when a mail is opened",
        "prefetch" => "a program that does so whether or not anybody opens a mail",
        "scanner" => "a program that looks at what mails link to",
        "unknown" => "a program that says nothing of itself",
        other => other,
    }
}

/// What the receiving side said.
fn answer(code: i32, words: Option<String>) -> String {
    match (code, words) {
        (0, None) => String::new(),
        (0, Some(words)) => format!(", which said {words}"),
        (code, None) => format!(", which answered {code}"),
        (code, Some(words)) => format!(", which answered {code} {words}"),
    }
}

/// A time behind a few words; nothing for 0.
fn at(before: &str, us: i64) -> String {
    match from_us(us).filter(|_| us != 0) {
        Some(at) => format!("{before}{}", shown(at)),
        None => String::new(),
    }
}

fn count(count: usize, one: &str, more: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    }
}
