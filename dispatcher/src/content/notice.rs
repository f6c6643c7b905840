//! What the platform itself writes to subscribers, in its own words.

use super::Composed;
use super::document::{Block, Document, Inline, Target};

/// Whether they want to be subscribed. `organisation` is who asks; `url` is where they say yes.
pub(crate) fn confirm_sign_up(organisation: &str, url: &str) -> Composed {
    let yes = match Target::link(url) {
        Some(target) => Inline::Link {
            target,
            content: vec![Inline::Text("Confirm that you want them".to_owned())],
        },
        None => Inline::Text(url.to_owned()),
    };
    let blocks = vec![
        Block::Paragraph(vec![Inline::Text(format!(
            "Somebody, probably you, asked for the mails of {organisation} to be sent to this address."
        ))]),
        Block::Paragraph(vec![yes]),
        Block::Paragraph(vec![Inline::Text(
            "The link opens a page with a button, and works for 30 days. If it was not you, you need do nothing: \
             without your word no mails are sent."
                .to_owned(),
        )]),
    ];
    let title = format!("Please confirm: mails from {organisation}");
    Composed::from_document(&title, None, Document { blocks })
}
