//! `README.html`: the export as a person reads and prints it. Nothing in it is loaded from elsewhere.

use crate::subscriber_profile::Subscriber;
use crate::subscriber_timeline::{Eyes, Told, attributes};
use tidings_service::clock::shown;
use time::OffsetDateTime;
use uuid::Uuid;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;\
background:#fff}h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #ccc}td{overflow-wrap:anywhere}\
td:first-child{white-space:nowrap}small{color:#555}@media print{body{margin:0;max-width:none;font-size:11px}\
tr{break-inside:avoid}thead{display:table-header-group}}";

const FILES: [(&str, &str); 7] = [
    (
        "profile.json",
        "who they are and whether they want mail, for programs",
    ),
    (
        "events.jsonl",
        "every event on record, one a line: as it lies in the log, sealed, and opened beside it",
    ),
    (
        "consent.csv",
        "what they and others said about their consent",
    ),
    (
        "deliveries.csv",
        "each message to them and what became of it",
    ),
    (
        "engagement.csv",
        "what the receiving side said of messages afterwards, and what these told of being opened and read",
    ),
    (
        "proof.json",
        "the proof that the events are in the log, with signatures of the witness",
    ),
    ("manifest.json", "the digests of all files, signed"),
];

/// What whoever comes by a link is not told.
const LEFT_OUT: &str = "<p>This file was handed out by the link of a mail. Left out in it are the words in which staff gave their \
     reasons when they looked, and the titles of messages that nobody has tried to send yet. Whoever answers for the data can be \
     asked for them.</p>\n";

/// Up to where the events begin.
pub(super) fn begin(
    subscriber_id: Uuid,
    profile: Option<&Subscriber>,
    (made_at, through_position): (OffsetDateTime, i64),
    eyes: Eyes,
) -> String {
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>What is on record of subscriber {subscriber_id}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>What is on record of one subscriber</h1>\n\
         <p>Made {} from the log up to position {through_position}. The events end there; what their profile and each message were like was \
         read after it, and may be a moment newer.</p>\n<h2>Who they are</h2>\n<table>\n",
        shown(made_at)
    );
    let mut rows = vec![("Subscriber", subscriber_id.to_string())];
    if let Some(it) = profile {
        let known = it.attributes.as_ref();
        let known = known.and_then(|known| attributes(&known.to_string()));
        let none = match it.erased_at.or(it.erasure_requested_at) {
            Some(_) => "(erased or not given)",
            None => "(not given)",
        };
        let or_erased = |value: Option<&str>| value.unwrap_or(none).to_owned();
        rows.extend([
            ("Address", or_erased(it.email.as_deref())),
            ("Name", or_erased(it.name.as_deref())),
            ("Attributes", or_erased(known.as_deref())),
            ("Tags", it.tags.join(", ")),
            ("State", it.state.clone()),
            ("How consent came", it.source.clone()),
            ("Signed up", shown(it.signed_up_at)),
        ]);
        rows.extend(it.unsubscribed_at.map(|at| ("Left", shown(at))));
        rows.extend(
            it.erasure_requested_at
                .map(|at| ("Erasure asked for", shown(at))),
        );
        rows.extend(it.erased_at.map(|at| ("Erased", shown(at))));
        let suppressed = if it.suppressed { "yes" } else { "no" };
        rows.push((
            "Nothing may be sent to their address",
            suppressed.to_owned(),
        ));
    }
    for (name, value) in rows {
        text += &format!(
            "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>\n",
            escaped(&value)
        );
    }
    text += "</table>\n<h2>What lies beside this page</h2>\n<table>\n";
    for (name, what) in FILES {
        text += &format!("<tr><th scope=\"row\">{name}</th><td>{what}</td></tr>\n");
    }
    text += "</table>\n";
    if eyes == Eyes::Link {
        text += LEFT_OUT;
    }
    text += "<p>Whether anything in these files was changed can be found out without the platform they come \
             from: <code>tidings audit check FILE.zip --public-key KEY</code>, with the key that whoever handed them out \
             names by another way.</p>\n<h2>All that happened, oldest first</h2>\n<table>\n<thead><tr>\
             <th scope=\"col\">When</th><th scope=\"col\">What</th><th scope=\"col\">Who</th></tr></thead>\n<tbody>\n";
    text
}

/// One event.
pub(super) fn event(told: &Told) -> String {
    let cause = told.cause.as_ref().map_or_else(String::new, |cause| {
        format!(
            "; because at position {} {}",
            cause.position,
            escaped(&cause.words)
        )
    });
    format!(
        "<tr><td>{}</td><td>{}<br><small>position {}, {}{cause}</small></td><td>{}</td></tr>\n",
        shown(told.at),
        escaped(&told.words),
        told.position,
        escaped(&told.r#type),
        escaped(&told.who)
    )
}

/// What comes after the events.
pub(super) const END: &str = "</tbody>\n</table>\n</body>\n</html>\n";

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
