//! How large a message may become. What repeats itself when it is rendered (a target that every paragraph leads to, a head
//! that every row is told with, what stands before each line of a deep list) makes a short text huge; such a one is cut.

#[cfg(test)]
mod tests;

use super::document::{Block, Document, Inline, Table, Target};
use super::html::escaped_size;

/// Most bytes of any form of a content: more than what is written by hand ever takes.
pub const RENDERED_BYTES_MAX: usize = 2_000_000;

/// Stands at the end of what was cut.
pub const CUT_NOTE: &str = "This is only the beginning: the whole text is too long for a message.";

/// What the link to it is called.
pub const WHOLE: &str = "Read the whole text";

/// The marks around an element with their styles, in the form that has most of them.
const NODE_BYTES: usize = 160;
/// How much longer a link is, besides a third, that leads by way of the platform.
const TRACKED_BYTES: usize = 200;
/// Fewest characters that a wrapped line takes up on average, however much stands before it.
const LINE_LENGTH_MIN: usize = super::wrap::ROOM_MIN / 2;

/// Cuts a document to the elements that fit, and says so at its end, with a link to the whole if there is one; a document that fits stays as it is.
pub(super) fn fit(document: &mut Document, url: Option<&Target>) {
    let mut budget = Budget {
        left: RENDERED_BYTES_MAX,
        is_spent: false,
    };
    budget.blocks(&mut document.blocks, 0);
    if budget.is_spent {
        let note = Inline::Text(CUT_NOTE.to_owned());
        let mut words = vec![Inline::Emphasis(vec![note])];
        if let Some(target) = url {
            words.push(Inline::Text(" ".to_owned()));
            words.push(whole(target));
        }
        document.blocks.push(Block::Paragraph(words));
    }
}

/// The link to where the whole text can be read.
pub(super) fn whole(target: &Target) -> Inline {
    Inline::Link {
        target: target.clone(),
        content: vec![Inline::Text(WHOLE.to_owned())],
    }
}

struct Budget {
    left: usize,
    is_spent: bool,
}

impl Budget {
    /// Whether there is room for so many bytes more. Once there is none, there is none for anything after it.
    fn take(&mut self, size_bytes: usize) -> bool {
        match self.left.checked_sub(size_bytes) {
            Some(left) if !self.is_spent => self.left = left,
            _ => self.is_spent = true,
        }
        !self.is_spent
    }

    /// `lead`: how many characters stand before each line.
    fn blocks(&mut self, blocks: &mut Vec<Block>, lead: usize) {
        blocks.retain_mut(|block| self.block(block, lead));
    }

    /// Whether anything of it is left.
    fn block(&mut self, block: &mut Block, lead: usize) -> bool {
        if !self.take(NODE_BYTES + 2 * lead) {
            return false;
        }
        match block {
            Block::Heading { content, .. } | Block::Paragraph(content) => {
                self.inlines(content, lead);
                !content.is_empty()
            }
            Block::List { start, items } => {
                let last = start.map(|start| start.saturating_add(items.len() as u64));
                let mark = last.map_or(2, |last| last.to_string().len() + 2);
                items.retain_mut(|item| {
                    let fits = self.take(NODE_BYTES + 2 * lead + mark);
                    self.blocks(item, lead + mark);
                    fits
                });
                !items.is_empty()
            }
            Block::Quote(inner) => {
                self.blocks(inner, lead + 2);
                !inner.is_empty()
            }
            Block::Code(text) => {
                let lines = text.lines().count();
                self.take(escaped_size(text) + lines * (lead + 4))
            }
            Block::Table(table) => self.table(table, lead),
            Block::Rule => true,
        }
    }

    /// A table that is too wide is told row by row, each cell behind what its column is.
    fn table(&mut self, table: &mut Table, lead: usize) -> bool {
        let before = self.left;
        for cell in &mut table.head {
            self.inlines(cell, lead);
        }
        let cells = table.head.len() * (NODE_BYTES + lead);
        // Before the rows: what they leave is nothing.
        if !self.take(cells) {
            return false;
        }
        let told = before - self.left;
        table.rows.retain_mut(|row| {
            let fits = self.take(told);
            row.iter_mut().for_each(|cell| self.inlines(cell, lead));
            fits
        });
        true
    }

    fn inlines(&mut self, content: &mut Vec<Inline>, lead: usize) {
        content.retain_mut(|inline| self.inline(inline, lead));
    }

    fn inline(&mut self, inline: &mut Inline, lead: usize) -> bool {
        let wrapped = |size: usize| size + size / LINE_LENGTH_MIN * lead;
        match inline {
            Inline::Text(text) => self.take(wrapped(escaped_size(text))),
            Inline::Code(text) => self.take(NODE_BYTES + wrapped(escaped_size(text))),
            Inline::Strong(inner) | Inline::Emphasis(inner) | Inline::Strikethrough(inner) => {
                let fits = self.take(NODE_BYTES);
                self.inlines(inner, lead);
                fits
            }
            Inline::Link { target, content } => {
                let size = escaped_size(target.as_str());
                let fits = self.take(NODE_BYTES + TRACKED_BYTES + size + size / 2);
                self.inlines(content, lead);
                fits
            }
            Inline::Image { source, alt } => {
                let size = escaped_size(source.as_str()) + wrapped(escaped_size(alt));
                self.take(NODE_BYTES + size)
            }
            Inline::Break => self.take(NODE_BYTES + lead),
        }
    }
}
