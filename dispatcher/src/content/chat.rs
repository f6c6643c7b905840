//! The content tree as the lines of a chat message. What chats have in common is here: one narrow column, one level
//! of quotation, pictures apart from words. How a chat marks its words is its own [`Markup`].

use reqwest::Url;

use super::{
    document::{Block, Inline, Table, Target, plain_text, without_strong},
    wrap::{columns, records},
};

/// Tables wider than this are set row by row: a chat's column is narrow.
const TABLE_WIDTH_MAX: usize = 68;
/// Stands around literal lines.
pub(super) const FENCE: &str = "```";

/// How one chat marks its words.
pub(super) trait Markup {
    /// Stands on both sides of important words.
    const STRONG: &'static str;
    /// Stands on both sides of stressed words.
    const EMPHASIS: &'static str;
    /// Stands on both sides of words that no longer hold.
    const STRIKETHROUGH: &'static str;
    /// Starts an item of a list, by how deep the list is.
    const BULLETS: [&'static str; 2];

    /// Words that mean nothing but themselves: no mark, link or mention can arise from them.
    fn escaped(text: &str) -> String;

    /// Literal words.
    fn code(text: &str) -> String;

    /// Words that lead somewhere.
    fn link(target: &Target, content: &[Inline]) -> String;

    /// A picture within running text; empty where it is shown apart.
    fn image(source: &Target, alt: &str) -> String;
}

/// A line of a chat's markup, and what stands before it even when it is broken up.
pub(super) struct Line {
    pub(super) prefix: String,
    pub(super) text: String,
}

/// The length a chat may count: UTF-16 units are never fewer than characters.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Whether a vendor can get at a picture, or takes an address at all: at a host with a public name, without credentials. A
/// whole message is refused for one that is not.
pub(super) fn is_public(source: &Target) -> bool {
    let url = Url::parse(source.as_str()).ok();
    url.is_some_and(|url| {
        let named = url
            .domain()
            .is_some_and(|name| name.trim_end_matches('.').contains('.'));
        named && url.username().is_empty() && url.password().is_none()
    })
}

/// A literal line that cannot end what it stands in: an invisible character between any two of its marks keeps a fence from
/// being one, however many there are.
pub(super) fn unfenced(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if c == '`' && out.ends_with('`') {
            out.push('\u{200b}');
        }
        out.push(c);
    }
    out
}

/// A table in literal columns, if it is narrow enough for a chat.
pub(super) fn in_columns(table: &Table) -> Option<Vec<String>> {
    columns(table, TABLE_WIDTH_MAX, plain_text)
}

/// Literal words without the character that would end them, shown by its look-alike.
pub(super) fn unticked(text: &str) -> String {
    text.replace('`', "ˋ")
}

/// Renders running text.
pub(super) fn inlines<M: Markup>(content: &[Inline]) -> String {
    let mut words = String::new();
    for inline in content {
        match inline {
            Inline::Text(text) => words.push_str(&M::escaped(text)),
            Inline::Strong(inner) => words.push_str(&marked(M::STRONG, &inlines::<M>(inner))),
            Inline::Emphasis(inner) => words.push_str(&marked(M::EMPHASIS, &inlines::<M>(inner))),
            Inline::Strikethrough(inner) => {
                words.push_str(&marked(M::STRIKETHROUGH, &inlines::<M>(inner)));
            }
            Inline::Code(text) => words.push_str(&M::code(text)),
            Inline::Link { target, content } => words.push_str(&M::link(target, content)),
            Inline::Image { source, alt } => words.push_str(&M::image(source, alt)),
            Inline::Break => words.push('\n'),
        }
    }
    words
}

/// Running text on one line.
fn on_one_line<M: Markup>(content: &[Inline]) -> String {
    inlines::<M>(content).replace('\n', " ")
}

/// Where some content leads, each in words of its own, in order and once.
fn leads<M: Markup>(content: &[Inline], found: &mut Vec<String>) {
    for inline in content {
        let lead = match inline {
            Inline::Link { target, content } => M::link(target, content),
            Inline::Image { source, alt } => M::image(source, alt),
            Inline::Strong(inner) | Inline::Emphasis(inner) | Inline::Strikethrough(inner) => {
                leads::<M>(inner, found);
                continue;
            }
            Inline::Text(_) | Inline::Code(_) | Inline::Break => continue,
        };
        if !lead.is_empty() && !found.contains(&lead) {
            found.push(lead);
        }
    }
}

/// Puts a mark around the words of each line: a mark does not reach over a line end or a space.
pub(super) fn marked(mark: &str, words: &str) -> String {
    words
        .split('\n')
        .map(|line| {
            let core = line.trim();
            if core.is_empty() {
                return line.to_owned();
            }
            let before = &line[..line.len() - line.trim_start().len()];
            let after = &line[line.trim_end().len()..];
            format!("{before}{mark}{core}{mark}{after}")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The pictures of some content, in order: where they are, and what they show.
pub(super) fn images(content: &[Inline]) -> Vec<(&Target, &str)> {
    let mut found = Vec::new();
    for inline in content {
        match inline {
            Inline::Image { source, alt } => found.push((source, alt.trim())),
            Inline::Strong(inner)
            | Inline::Emphasis(inner)
            | Inline::Strikethrough(inner)
            | Inline::Link { content: inner, .. } => found.extend(images(inner)),
            Inline::Text(_) | Inline::Code(_) | Inline::Break => {}
        }
    }
    found
}

/// Collects the lines of blocks.
pub(super) struct Lines<'d, M> {
    pub(super) lines: Vec<Line>,
    /// The pictures that stood in them.
    pub(super) images: Vec<(&'d Target, &'d str)>,
    markup: std::marker::PhantomData<M>,
}

/// What stands before a line: one level of quotation, at the very start of it.
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

impl<'d, M: Markup> Lines<'d, M> {
    /// The lines of one block.
    pub(super) fn of(block: &'d Block) -> Self {
        let mut lines = Self::none();
        lines.block(block, Lead::default());
        lines
    }

    /// Where the cells of a table lead, a line each: in literal columns they lead nowhere.
    pub(super) fn below(table: &'d Table) -> Self {
        let mut lines = Self::none();
        let mut found = Vec::new();
        for cell in std::iter::once(&table.head).chain(&table.rows).flatten() {
            leads::<M>(cell, &mut found);
            lines.images.extend(images(cell));
        }
        for lead in found {
            lines.line(Lead::default(), &lead);
        }
        lines
    }

    fn none() -> Self {
        Self {
            lines: Vec::new(),
            images: Vec::new(),
            markup: std::marker::PhantomData,
        }
    }

    fn blocks(&mut self, blocks: &'d [Block], lead: Lead) {
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 && lead.indent == 0 {
                self.line(lead, "");
            }
            self.block(block, lead);
        }
    }

    fn block(&mut self, block: &'d Block, lead: Lead) {
        match block {
            Block::Heading { content, .. } => {
                self.images.extend(images(content));
                let words = inlines::<M>(&without_strong(content));
                self.lines_of(&marked(M::STRONG, words.trim()), lead);
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
                    self.line(lead, &M::code(line));
                }
            }
            Block::Table(table) => self.table(table, lead),
            Block::Rule => self.line(lead, "———"),
        }
    }

    fn paragraph(&mut self, content: &'d [Inline], mark: &str, lead: Lead) {
        self.images.extend(images(content));
        let words = inlines::<M>(content);
        if !words.trim().is_empty() || !mark.is_empty() {
            self.lines_of(&format!("{mark}{}", words.trim()), lead);
        }
    }

    fn list(&mut self, start: Option<u64>, items: &'d [Vec<Block>], lead: Lead) {
        for (index, item) in items.iter().enumerate() {
            let mark = match start {
                Some(number) => format!("{}. ", number.saturating_add(index as u64)),
                None => M::BULLETS[usize::from(lead.indent > 0)].to_owned(),
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

    fn table(&mut self, table: &'d Table, lead: Lead) {
        for cell in std::iter::once(&table.head).chain(&table.rows).flatten() {
            self.images.extend(images(cell));
        }
        for record in records(table, on_one_line::<M>) {
            self.line(lead, &record);
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
}

#[cfg(test)]
mod tests;
