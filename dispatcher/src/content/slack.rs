//! The content tree as a Slack message: Block Kit within its limits, and a fallback text.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks>.

use serde::Serialize;

use super::{
    document::{Block, Document, Inline, Table, excerpt, plain_text, shorten},
    wrap::{columns, records},
};

mod mrkdwn;
mod pack;

use mrkdwn::{escaped, marked};
use pack::{Line, code_sections, sections};

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
/// Tables wider than this are set row by row: a Slack column is narrow.
const TABLE_WIDTH_MAX: usize = 68;
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

/// Renders a whole message as the JSON an incoming webhook takes.
pub fn message(title: &str, document: &Document) -> String {
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
        blocks: within_limit(writer.done),
    };
    serde_json::to_string(&message).expect("strings and lists always serialise")
}

fn header(title: &str) -> String {
    let text = shorten(title, HEADER_LENGTH_MAX);
    if pack::length(&text) <= HEADER_LENGTH_MAX {
        text
    } else {
        // Emoji and rare scripts count double; half as many fit for certain.
        shorten(title, HEADER_LENGTH_MAX / 2)
    }
}

/// Collects a top-level block's lines and pictures, then turns them into Slack blocks.
#[derive(Default)]
struct Writer {
    done: Vec<SlackBlock>,
    lines: Vec<Line>,
    images: Vec<SlackBlock>,
}

/// What stands before a line: Slack knows one level of quotation, at the very start of it.
#[derive(Clone, Copy, Default)]
struct Lead {
    quoted: bool,
    indent: usize,
}

impl Lead {
    fn prefix(self) -> String {
        format!(
            "{}{}",
            if self.quoted { "> " } else { "" },
            " ".repeat(self.indent)
        )
    }

    fn deeper(self, by: usize) -> Self {
        Self {
            indent: self.indent + by,
            ..self
        }
    }
}

impl Writer {
    fn top_level(&mut self, block: &Block) {
        match block {
            Block::Code(text) => self.code(text.lines()),
            Block::Table(table) => match columns(table, TABLE_WIDTH_MAX) {
                Some(lines) => self.code(lines.iter().map(String::as_str)),
                None => self.table_records(table, Lead::default()),
            },
            Block::Rule => self.done.push(SlackBlock::Divider),
            other => self.block(other, Lead::default()),
        }
        let lines = std::mem::take(&mut self.lines);
        self.done.extend(sections(&lines).into_iter().map(section));
        self.done.append(&mut self.images);
    }

    fn code<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.done
            .extend(code_sections(lines).into_iter().map(section));
    }

    fn blocks(&mut self, blocks: &[Block], lead: Lead) {
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 && lead.indent == 0 {
                self.line(lead, "");
            }
            self.block(block, lead);
        }
    }

    fn block(&mut self, block: &Block, lead: Lead) {
        match block {
            Block::Heading { content, .. } => {
                self.collect_images(content);
                let words = escaped(plain_text(content).trim());
                self.lines_of(&marked('*', &words), lead);
            }
            Block::Paragraph(content) => self.paragraph(content, "", lead),
            Block::List { start, items } => self.list(*start, items, lead),
            Block::Quote(inner) => self.blocks(
                inner,
                Lead {
                    quoted: true,
                    ..lead
                },
            ),
            Block::Code(text) => {
                for line in text.lines().filter(|line| !line.trim().is_empty()) {
                    self.line(lead, &mrkdwn::code(line));
                }
            }
            Block::Table(table) => self.table_records(table, lead),
            Block::Rule => self.line(lead, "———"),
        }
    }

    fn paragraph(&mut self, content: &[Inline], mark: &str, lead: Lead) {
        self.collect_images(content);
        let words = mrkdwn::inlines(content);
        if !words.trim().is_empty() || !mark.is_empty() {
            self.lines_of(&format!("{mark}{}", words.trim()), lead);
        }
    }

    fn list(&mut self, start: Option<u64>, items: &[Vec<Block>], lead: Lead) {
        for (index, item) in items.iter().enumerate() {
            let mark = match start {
                Some(number) => format!("{}. ", number.saturating_add(index as u64)),
                None if lead.indent == 0 => "• ".to_owned(),
                None => "◦ ".to_owned(),
            };
            let rest = match item.as_slice() {
                [Block::Paragraph(content), rest @ ..] => {
                    self.paragraph(content, &mark, lead);
                    rest
                }
                other => {
                    self.line(lead, mark.trim_end());
                    other
                }
            };
            self.blocks(rest, lead.deeper(4));
        }
    }

    fn table_records(&mut self, table: &Table, lead: Lead) {
        for record in records(table) {
            self.line(lead, &escaped(&record));
        }
    }

    fn lines_of(&mut self, text: &str, lead: Lead) {
        for line in text.split('\n') {
            self.line(lead, line);
        }
    }

    fn line(&mut self, lead: Lead, text: &str) {
        self.lines.push(Line {
            prefix: lead.prefix(),
            text: text.to_owned(),
        });
    }

    fn collect_images(&mut self, content: &[Inline]) {
        for inline in content {
            match inline {
                Inline::Image { source, alt } => {
                    let alt = if alt.trim().is_empty() {
                        "Image"
                    } else {
                        alt.trim()
                    };
                    self.images.push(SlackBlock::Image {
                        image_url: source.as_str().to_owned(),
                        alt_text: shorten(alt, ALT_LENGTH_MAX / 2),
                    });
                }
                Inline::Strong(inner)
                | Inline::Emphasis(inner)
                | Inline::Strikethrough(inner)
                | Inline::Link { content: inner, .. } => self.collect_images(inner),
                Inline::Text(_) | Inline::Code(_) | Inline::Break => {}
            }
        }
    }
}

fn section(text: String) -> SlackBlock {
    SlackBlock::Section {
        text: Text::mrkdwn(text),
    }
}

/// Joins neighbouring sections when there are too many blocks, and cuts what still does not fit.
fn within_limit(blocks: Vec<SlackBlock>) -> Vec<SlackBlock> {
    if blocks.len() <= BLOCKS_MAX {
        return blocks;
    }
    let mut joined: Vec<SlackBlock> = Vec::with_capacity(blocks.len());
    for block in blocks {
        if let (Some(SlackBlock::Section { text: before }), SlackBlock::Section { text }) =
            (joined.last_mut(), &block)
            && pack::length(&before.text) + 2 + pack::length(&text.text) <= SECTION_LENGTH_MAX
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
            elements: vec![Text::mrkdwn(CUT_NOTE.to_owned())],
        });
    }
    joined
}
