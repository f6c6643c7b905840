//! The content tree as a Slack message: Block Kit within its limits, and a fallback text.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks>.

use serde::Serialize;
use serde_json::Value;

use super::{
    budget::whole,
    chat::{Lines, in_columns, inlines, length},
    document::{Block, Document, Target, excerpt, shorten},
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
/// Longest message: what its blocks say together, and [`BLOCK_LENGTH`] for each. Slack documents no limit, and has refused
/// messages (`msg_blocks_too_long`) whose blocks came to somewhat more than 11,000, and none below.
pub const MESSAGE_LENGTH_MAX: usize = 10_000;
/// What a block counts beside its words.
pub const BLOCK_LENGTH: usize = 100;
/// Slack cuts the fallback text at 40,000 and advises 4,000; escaping grows it fivefold at most.
const FALLBACK_LENGTH_MAX: usize = 4_000;
const CUT_NOTE: &str = "_This is only the beginning: the message is longer than Slack can show._";

#[derive(Serialize)]
struct Message {
    text: String,
    blocks: Vec<SlackBlock>,
}

#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum SlackBlock {
    Header { text: Text },
    Section { text: Text },
    Divider,
    Image { image_url: String, alt_text: String },
    Context { elements: Vec<Text> },
}

#[derive(Clone, Serialize)]
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
            Block::Table(table) => match in_columns(table) {
                Some(lines) => {
                    self.code(lines.iter().map(String::as_str));
                    self.words(Lines::below(table));
                }
                None => self.words(Lines::of(block)),
            },
            Block::Rule => self.done.push(SlackBlock::Divider),
            other => self.words(Lines::of(other)),
        }
    }

    fn code<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.done
            .extend(code_sections(lines).into_iter().map(section));
    }

    fn words(&mut self, words: Lines<'_, Mrkdwn>) {
        let Lines { lines, images, .. } = words;
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

impl SlackBlock {
    /// How much of a message it takes.
    fn length(&self) -> usize {
        let words = match self {
            Self::Header { text } | Self::Section { text } => length(&text.text),
            Self::Divider => 0,
            Self::Image {
                image_url,
                alt_text,
            } => length(image_url) + length(alt_text),
            Self::Context { elements } => elements.iter().map(|it| length(&it.text)).sum(),
        };
        BLOCK_LENGTH + words
    }
}

/// Joins neighbouring sections when there is too much, and cuts what still does not fit.
fn within_limit(blocks: Vec<SlackBlock>, url: Option<&Target>) -> Vec<SlackBlock> {
    let whole: usize = blocks.iter().map(SlackBlock::length).sum();
    if blocks.len() <= BLOCKS_MAX && whole <= MESSAGE_LENGTH_MAX {
        return blocks;
    }
    if let (joined, true) = join(&blocks, BLOCKS_MAX, MESSAGE_LENGTH_MAX) {
        return joined;
    }
    let note = SlackBlock::Context {
        elements: vec![Text::mrkdwn(cut_note(url))],
    };
    let room = MESSAGE_LENGTH_MAX - note.length();
    let (mut joined, _) = join(&blocks, BLOCKS_MAX - 1, room);
    joined.push(note);
    joined
}

/// The first of these blocks, neighbouring sections in one, as far as there is room; and whether those are all.
fn join(blocks: &[SlackBlock], blocks_max: usize, length_max: usize) -> (Vec<SlackBlock>, bool) {
    let mut joined: Vec<SlackBlock> = Vec::new();
    let mut room = length_max;
    for block in blocks {
        if let (Some(SlackBlock::Section { text: before }), SlackBlock::Section { text }) =
            (joined.last_mut(), block)
            && length(&before.text) + 2 + length(&text.text) <= SECTION_LENGTH_MAX
        {
            let Some(left) = room.checked_sub(2 + length(&text.text)) else {
                return (joined, false);
            };
            room = left;
            before.text.push_str("\n\n");
            before.text.push_str(&text.text);
            continue;
        }
        match room.checked_sub(block.length()) {
            Some(left) if joined.len() < blocks_max => room = left,
            _ => return (joined, false),
        }
        joined.push(block.clone());
    }
    (joined, true)
}
