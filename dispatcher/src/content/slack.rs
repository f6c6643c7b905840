//! The content tree as a Slack message: Block Kit within its limits, and a fallback text.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks>.

use serde::Serialize;
use serde_json::Value;

use super::{
    budget::whole,
    chat::{Lines, TABLE_WIDTH_MAX, inlines, length},
    document::{Block, Document, Target, excerpt, shorten},
    wrap::columns,
};

mod mrkdwn;
mod pack;

use mrkdwn::{Mrkdwn, escaped, shows};
use pack::{code_sections, sections};

/// Most blocks of a message.
pub const BLOCKS_MAX: usize = 50;
/// Longest text of a section, in UTF-16 units (the strictest way to count).
pub const SECTION_LENGTH_MAX: usize = 3_000;
/// Longest text of a header.
pub const HEADER_LENGTH_MAX: usize = 150;
/// Longest description of an image.
pub const ALT_LENGTH_MAX: usize = 2_000;
/// Slack cuts the fallback text at 40,000 and advises 4,000; escaping grows it fivefold at most.
const FALLBACK_LENGTH_MAX: usize = 4_000;
const CUT_NOTE: &str = "_This is only the beginning: the message is longer than Slack can show._";

#[derive(Serialize)]
struct Message {
    text: String,
    blocks: Vec<SlackBlock>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum SlackBlock {
    Header { text: Text },
    Section { text: Text },
    Divider,
    Image { image_url: String, alt_text: String },
    Context { elements: Vec<Text> },
}

#[derive(Serialize)]
struct Text {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
}

impl Text {
    fn mrkdwn(text: String) -> Self {
        Self {
            kind: "mrkdwn",
            text,
        }
    }

    fn plain(text: String) -> Self {
        Self {
            kind: "plain_text",
            text,
        }
    }
}

/// Renders a whole message as the JSON an incoming webhook takes. `url`: where it can be read whole.
pub fn message(title: &str, document: &Document, url: Option<&Target>) -> String {
    let mut writer = Writer::default();
    writer.done.push(SlackBlock::Header {
        text: Text::plain(header(title)),
    });
    for block in &document.blocks {
        writer.top_level(block);
    }
    let summary = excerpt(document, FALLBACK_LENGTH_MAX / 2);
    let message = Message {
        text: escaped(format!("{title}\n{summary}").trim_end()),
        blocks: within_limit(writer.done, url),
    };
    serde_json::to_string(&message).expect("strings and lists always serialise")
}

/// The same message as a bot posts it to a channel: `chat.postMessage` takes what a webhook takes, and where to.
pub fn to_channel(message: &str, channel: &str) -> String {
    let channel = Value::from(channel);
    // A message is an object and never empty, so its first character is the brace that opens it.
    format!("{{\"channel\":{channel},{}", &message[1..])
}

/// The same message with links in the place of pictures; none if it shows none.
pub fn without_pictures(message: &str) -> Option<String> {
    let mut message: Value = serde_json::from_str(message).ok()?;
    let blocks = message["blocks"].as_array_mut()?;
    let mut pictures = blocks
        .iter_mut()
        .filter(|block| block["type"] == "image")
        .peekable();
    pictures.peek()?;
    for picture in pictures {
        let source = Target::image(picture["image_url"].as_str()?)?;
        let link = Mrkdwn::linked_image(&source, picture["alt_text"].as_str()?);
        *picture = serde_json::to_value(section(link)).ok()?;
    }
    Some(message.to_string())
}

fn header(title: &str) -> String {
    let text = shorten(title, HEADER_LENGTH_MAX);
    if length(&text) <= HEADER_LENGTH_MAX {
        text
    } else {
        // Emoji and rare scripts count double; half as many fit for certain.
        shorten(title, HEADER_LENGTH_MAX / 2)
    }
}

/// Turns top-level blocks into Slack blocks.
#[derive(Default)]
struct Writer {
    done: Vec<SlackBlock>,
}

impl Writer {
    fn top_level(&mut self, block: &Block) {
        match block {
            Block::Code(text) => self.code(text.lines()),
            Block::Table(table) => match columns(table, TABLE_WIDTH_MAX) {
                Some(lines) => self.code(lines.iter().map(String::as_str)),
                None => self.words(block),
            },
            Block::Rule => self.done.push(SlackBlock::Divider),
            other => self.words(other),
        }
    }

    fn code<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.done
            .extend(code_sections(lines).into_iter().map(section));
    }

    fn words(&mut self, block: &Block) {
        let Lines { lines, images, .. } = Lines::<Mrkdwn>::of(block);
        self.done.extend(sections(&lines).into_iter().map(section));
        self.done.extend(
            images
                .into_iter()
                .filter(|(source, _)| shows(source))
                .map(|(source, alt)| image(source, alt)),
        );
    }
}

fn image(source: &Target, alt: &str) -> SlackBlock {
    let alt = if alt.is_empty() { "Image" } else { alt };
    SlackBlock::Image {
        image_url: source.as_str().to_owned(),
        alt_text: shorten(alt, ALT_LENGTH_MAX / 2),
    }
}

fn section(text: String) -> SlackBlock {
    SlackBlock::Section {
        text: Text::mrkdwn(text),
    }
}

/// That it was cut, and where the whole is.
fn cut_note(url: Option<&Target>) -> String {
    let link = url.map(|url| inlines::<Mrkdwn>(&[whole(url)]));
    // An address that is too long for Slack is none to it, but words that lead nowhere.
    match link.filter(|link| link.starts_with('<')) {
        Some(link) => format!("{CUT_NOTE} {link}"),
        None => CUT_NOTE.to_owned(),
    }
}

/// Joins neighbouring sections when there are too many blocks, and cuts what still does not fit.
fn within_limit(blocks: Vec<SlackBlock>, url: Option<&Target>) -> Vec<SlackBlock> {
    if blocks.len() <= BLOCKS_MAX {
        return blocks;
    }
    let mut joined: Vec<SlackBlock> = Vec::with_capacity(blocks.len());
    for block in blocks {
        if let (Some(SlackBlock::Section { text: before }), SlackBlock::Section { text }) =
            (joined.last_mut(), &block)
            && length(&before.text) + 2 + length(&text.text) <= SECTION_LENGTH_MAX
        {
            before.text.push_str("\n\n");
            before.text.push_str(&text.text);
        } else {
            joined.push(block);
        }
    }
    if joined.len() > BLOCKS_MAX {
        joined.truncate(BLOCKS_MAX - 1);
        joined.push(SlackBlock::Context {
            elements: vec![Text::mrkdwn(cut_note(url))],
        });
    }
    joined
}
