//! The content tree as a Discord message: one embed within its limits, in which nothing mentions anybody.
//!
//! Limits: <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>.

use serde::Serialize;

use super::{
    budget::whole,
    chat::{Lines, in_columns, inlines, is_public, length, unfenced},
    document::{Block, Document, Target, shorten},
};

mod markup;
mod page;

use markup::{DiscordMarkdown, escaped};
use page::{Part, lay_out};

/// Longest title of an embed. Together with the description it stays below the 6,000 of all embeds.
pub const TITLE_LENGTH_MAX: usize = 256;
/// Longest description of an embed, in UTF-16 units (the strictest way to count).
pub const DESCRIPTION_LENGTH_MAX: usize = 4_096;
/// An address may grow threefold where its marks are escaped; one that leaves no room for the text is left out.
const LINK_LENGTH_MAX: usize = 2_048;
const CUT_NOTE: &str =
    "\n\n_This is only the beginning: the message is longer than Discord can show._";

#[derive(Serialize)]
struct Message {
    embeds: [Embed; 1],
    allowed_mentions: AllowedMentions,
}

#[derive(Serialize)]
struct Embed {
    title: String,
    /// Where the title leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
}

#[derive(Serialize)]
struct Image {
    url: String,
}

/// Nobody, whatever the text looks like.
#[derive(Serialize)]
struct AllowedMentions {
    parse: [&'static str; 0],
}

/// Renders a whole message as the JSON a webhook takes. `url`: where it can be read whole.
pub fn message(title: &str, document: &Document, url: Option<&Target>) -> String {
    let mut parts = Vec::new();
    let mut image = None;
    for block in &document.blocks {
        match block {
            Block::Code(text) => parts.push(code(text.lines())),
            Block::Table(table) => match in_columns(table) {
                Some(lines) => {
                    parts.push(code(lines.iter().map(String::as_str)));
                    parts.push(words(Lines::below(table), &mut image));
                }
                None => parts.push(words(Lines::of(block), &mut image)),
            },
            other => parts.push(words(Lines::of(other), &mut image)),
        }
    }
    let message = Message {
        embeds: [Embed {
            title: headline(title),
            url: url
                .filter(|url| is_public(url))
                .map(Target::as_str)
                .map(str::to_owned),
            description: description(&parts, url),
            image,
        }],
        allowed_mentions: AllowedMentions { parse: [] },
    };
    serde_json::to_string(&message).expect("strings and lists always serialise")
}

fn code<'a>(lines: impl Iterator<Item = &'a str>) -> Part {
    Part::Code(lines.map(unfenced).collect())
}

/// The words of a block, or below it. An embed shows one picture: the first that Discord would take; all stay links in the words.
fn words(words: Lines<'_, DiscordMarkdown>, image: &mut Option<Image>) -> Part {
    let Lines { lines, images, .. } = words;
    let mut shown = images.iter().map(|(source, _)| source);
    if image.is_none()
        && let Some(source) = shown.find(|source| is_public(source))
    {
        *image = Some(Image {
            url: source.as_str().to_owned(),
        });
    }
    Part::Words(lines)
}

fn headline(title: &str) -> String {
    let text = escaped(&shorten(title, TITLE_LENGTH_MAX));
    if length(&text) <= TITLE_LENGTH_MAX {
        text
    } else {
        // A mark that is escaped counts double, as emoji do; half as many fit for certain.
        escaped(&shorten(title, TITLE_LENGTH_MAX / 2))
    }
}

fn description(parts: &[Part], url: Option<&Target>) -> String {
    match lay_out(parts, DESCRIPTION_LENGTH_MAX) {
        (text, true) => text,
        (_, false) => {
            let link = url.map(|url| inlines::<DiscordMarkdown>(&[whole(url)]));
            let note = match link.filter(|link| length(link) <= LINK_LENGTH_MAX) {
                Some(link) => format!("{CUT_NOTE} {link}"),
                None => CUT_NOTE.to_owned(),
            };
            let (mut text, _) = lay_out(parts, DESCRIPTION_LENGTH_MAX - length(&note));
            text.push_str(&note);
            text.trim_start().to_owned()
        }
    }
}
