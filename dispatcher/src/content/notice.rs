//! What the platform itself writes to subscribers, in its own words.

use tidings_domain::access::Access;
use tidings_domain::value::ConsentWording;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use super::Composed;
use super::document::{Block, Document, Inline, Target};

/// Whether they want to be subscribed. `organisation` is who asks; `wording` is what they agree to by saying yes, where that
/// is on record; `url` is where they say so.
pub(crate) fn confirm_sign_up(
    organisation: &str,
    wording: Option<&ConsentWording>,
    url: &str,
) -> Composed {
    let asked = format!(
        "Somebody, probably you, asked for the mails of {organisation} to be sent to this address"
    );
    let asked = match wording {
        None => vec![says(format!("{asked}."))],
        Some(words) => vec![
            says(format!("{asked}, and agreed to this:")),
            Block::Quote(vec![says(words.to_string())]),
        ],
    };
    let then = vec![
        leads("Confirm that you want them", url),
        says(
            "The link opens a page with a button, and works for 30 days. If it was not you, you need do nothing: \
             without your word no mails are sent."
                .to_owned(),
        ),
    ];
    let blocks = [asked, then].concat();
    let title = format!("Please confirm: mails from {organisation}");
    Composed::from_document(&title, None, Document { blocks }, None)
}

/// That what they get was changed, or that they get something again, by the link of a mail, which they may have passed on, or by whoever runs the platform.
/// `url` is where they see how it is now, and change it.
pub(crate) fn preferences_changed(organisation: &str, url: &str) -> Composed {
    let blocks = vec![
        says(format!(
            "What you get from {organisation}, or when, was changed, or you were subscribed again: on the page behind the link \
             in one of our mails, or by {organisation} on your behalf. It is in force from now on."
        )),
        leads("See what you get", url),
        says(
            "If you did not ask for it, choose anew on that page, or leave there; somebody may have a mail of yours."
                .to_owned(),
        ),
    ];
    let title = format!("What you get from {organisation} was changed");
    Composed::from_document(&title, None, Document { blocks }, None)
}

/// The link to all that is held about them, which somebody with a mail of theirs asked for. `url` is where they get it,
/// until `until`; `contact` is how to reach whoever answers such requests.
pub(crate) fn own_data(
    organisation: &str,
    url: &str,
    until: OffsetDateTime,
    contact: &str,
) -> Composed {
    let downloads = Access::DOWNLOADS_MAX;
    let blocks = vec![
        says(format!(
            "Somebody who has one of our mails to you, probably you, asked for a link to all that {organisation} holds \
             about you."
        )),
        leads("See what is held about you", url),
        says(format!(
            "The link opens a page with a button. It works until {}, for {downloads} downloads at most. Whoever has this \
             mail can use it: please do not pass it on.",
            day(until)
        )),
        says(format!(
            "If it was not you, you need do nothing; somebody may have a mail of yours. Whoever answers for your data at \
             {organisation}: {contact}"
        )),
    ];
    let title = format!("What {organisation} holds about you");
    Composed::from_document(&title, None, Document { blocks }, None)
}

/// A moment as people read it, UTC.
fn day(at: OffsetDateTime) -> String {
    let format =
        format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    at.to_offset(UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

fn says(text: String) -> Block {
    Block::Paragraph(vec![Inline::Text(text)])
}

fn leads(text: &str, url: &str) -> Block {
    let link = match Target::link(url) {
        Some(target) => Inline::Link {
            target,
            content: vec![Inline::Text(text.to_owned())],
        },
        None => Inline::Text(url.to_owned()),
    };
    Block::Paragraph(vec![link])
}
