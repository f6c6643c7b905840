//! The content tree as a plain letter: at most 76 columns, links as numbered notes at the end.

use super::{
    document::{Block, Document, Inline, Table, Target, without_strong},
    mail::Footer,
    wrap::{columns, records, wrap},
};

/// Lines are wrapped here; only a word longer than this (a URL) makes a longer line.
const WIDTH: usize = 76;

/// The letter: title, text, the list of links, and where it can be read on the web. Lines end with `\n`, and so does the letter.
pub fn letter(title: &str, document: &Document, url: Option<&Target>) -> String {
    let mut letter = Letter::default();
    letter.heading(1, title, "", "");
    letter.blocks(&document.blocks, "", "");
    letter.notes();
    if let Some(url) = url {
        letter.lines.push(String::new());
        letter
            .lines
            .push(format!("Read it on the web: {}", url.as_str()));
    }
    let mut text = letter.lines.join("\n");
    text.push('\n');
    text
}

/// The lines under the letter: why this reader gets it, and how to leave.
pub fn footer(footer: &Footer<'_>) -> String {
    let mut lines = vec![String::new(), "-- ".to_owned()];
    wrap(&footer.reason(), WIDTH, "", "", &mut lines);
    if let Some(url) = footer.preferences_url {
        lines.push(format!("Choose what you get: {url}"));
    }
    if let Some(url) = footer.unsubscribe_url {
        lines.push(format!("Unsubscribe: {url}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[derive(Default)]
struct Letter {
    lines: Vec<String>,
    links: Vec<Target>,
}

impl Letter {
    /// Writes blocks with an empty line between them; `first` starts the very first line.
    fn blocks(&mut self, blocks: &[Block], first: &str, next: &str) {
        for (index, block) in blocks.iter().enumerate() {
            let first = if index == 0 { first } else { next };
            if index > 0 {
                self.lines.push(next.trim_end().to_owned());
            }
            self.block(block, first, next);
        }
    }

    /// Writes a list's item: a list within it follows its words at once.
    fn item(&mut self, item: &[Block], first: &str, next: &str) {
        match item {
            [] => self.lines.push(first.trim_end().to_owned()),
            [words @ Block::Paragraph(_), list @ Block::List { .. }] => {
                self.block(words, first, next);
                self.block(list, next, next);
            }
            other => self.blocks(other, first, next),
        }
    }

    fn block(&mut self, block: &Block, first: &str, next: &str) {
        match block {
            Block::Heading { level, content } => {
                let words = self.words(content);
                self.heading(*level + 1, &words, first, next);
            }
            Block::Paragraph(content) => {
                let words = self.words(content);
                wrap(&words, WIDTH, first, next, &mut self.lines);
            }
            Block::List { start, items } => self.list(*start, items, first, next),
            Block::Quote(inner) => {
                self.blocks(inner, &format!("{first}> "), &format!("{next}> "));
            }
            Block::Code(text) => self.literal(text.lines(), first, next, "    "),
            Block::Table(table) => self.table(table, first, next),
            Block::Rule => self.lines.push(format!("{first}* * *")),
        }
    }

    fn heading(&mut self, level: u8, words: &str, first: &str, next: &str) {
        let from = self.lines.len();
        wrap(words, WIDTH, first, next, &mut self.lines);
        let longest = self.lines[from..]
            .iter()
            .map(|line| line.chars().count())
            .max();
        let length = longest.unwrap_or(0).saturating_sub(next.chars().count());
        match level {
            1 => {
                self.lines.push(format!("{next}{}", "=".repeat(length)));
                self.lines.push(String::new());
            }
            2 | 3 => self.lines.push(format!("{next}{}", "-".repeat(length))),
            _ => {}
        }
    }

    fn list(&mut self, start: Option<u64>, items: &[Vec<Block>], first: &str, next: &str) {
        let loose = items.iter().any(|item| {
            let paragraphs = item
                .iter()
                .filter(|block| !matches!(block, Block::List { .. }));
            paragraphs.count() > 1
        });
        for (index, item) in items.iter().enumerate() {
            if loose && index > 0 {
                self.lines.push(next.trim_end().to_owned());
            }
            let mark = match start {
                Some(number) => format!("{}. ", number.saturating_add(index as u64)),
                None => "- ".to_owned(),
            };
            let indent = " ".repeat(mark.len());
            let lead = if index == 0 { first } else { next };
            self.item(item, &format!("{lead}{mark}"), &format!("{next}{indent}"));
        }
    }

    fn table(&mut self, table: &Table, first: &str, next: &str) {
        let width = WIDTH.saturating_sub(next.chars().count());
        match columns(table, width, |cell| self.cell(cell)) {
            Some(lines) => self.literal(lines.iter().map(String::as_str), first, next, ""),
            None => {
                let records = records(table, |cell| self.cell(cell));
                for (index, record) in records.iter().enumerate() {
                    let first = if index == 0 { first } else { next };
                    wrap(record, WIDTH, first, &format!("{next}  "), &mut self.lines);
                }
            }
        }
    }

    /// The words of a cell, on one line: where most are important, marks say nothing.
    fn cell(&mut self, content: &[Inline]) -> String {
        self.words(&without_strong(content)).replace('\n', " ")
    }

    /// Lines that must not be wrapped, indented by `indent`.
    fn literal<'a>(
        &mut self,
        lines: impl Iterator<Item = &'a str>,
        first: &str,
        next: &str,
        indent: &str,
    ) {
        for (index, line) in lines.enumerate() {
            let prefix = if index == 0 { first } else { next };
            self.lines
                .push(format!("{prefix}{indent}{line}").trim_end().to_owned());
        }
    }

    /// The words of some content; a link is followed by the number of its note.
    fn words(&mut self, content: &[Inline]) -> String {
        let mut words = String::new();
        for inline in content {
            match inline {
                Inline::Text(text) => words.push_str(text),
                Inline::Code(text) => {
                    words.push('`');
                    words.push_str(text);
                    words.push('`');
                }
                Inline::Strong(inner) => {
                    words.push('*');
                    words.push_str(&self.words(inner));
                    words.push('*');
                }
                Inline::Emphasis(inner) => words.push_str(&self.words(inner)),
                Inline::Strikethrough(inner) => {
                    words.push('~');
                    words.push_str(&self.words(inner));
                    words.push('~');
                }
                Inline::Link { target, content } => {
                    let label = self.words(content);
                    words.push_str(&self.link(label.trim(), target));
                }
                Inline::Image { source, alt } => {
                    let label = format!("[Image: {}]", alt.trim()).replace(": ]", "]");
                    words.push_str(&self.link(&label, source));
                }
                Inline::Break => words.push('\n'),
            }
        }
        words
    }

    fn link(&mut self, label: &str, target: &Target) -> String {
        let obvious = label.is_empty()
            || label == target.as_str()
            || target.shown().trim_end_matches('/') == label;
        if obvious {
            return target.shown().to_owned();
        }
        let known = self.links.iter().position(|link| link == target);
        let number = known.unwrap_or_else(|| {
            self.links.push(target.clone());
            self.links.len() - 1
        });
        format!("{label} [{}]", number + 1)
    }

    fn notes(&mut self) {
        if self.links.is_empty() {
            return;
        }
        self.lines.push(String::new());
        for (index, link) in self.links.iter().enumerate() {
            self.lines.push(format!("[{}] {}", index + 1, link.shown()));
        }
    }
}
