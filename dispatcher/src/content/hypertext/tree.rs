//! The tree in the making: paragraphs as they fill, and the elements they stand in.

use super::run::{Marks, Run, paragraphs};
use super::table::{Field, laid_out};
use crate::content::document::{Alignment, Block, DEPTH_MAX, Document, Inline};

/// Deepest tables in tables; what lies deeper is read as part of its surroundings. Layouts need some.
const TABLES_MAX: usize = 32;

/// Takes what is read, in order. Ends without a beginning and beginnings without an end are taken as a browser would:
/// an element ends with what it stands in, and an end looks for its beginning within the cell it stands in.
pub(super) struct Tree {
    /// How the next words are marked.
    pub(super) marks: Marks,
    runs: Vec<Run>,
    heading: Option<u8>,
    /// Never empty; the first is the root.
    open: Vec<Open>,
}

/// An element that has begun and not ended, with the blocks it holds so far.
struct Open {
    kind: Kind,
    blocks: Vec<Block>,
}

enum Kind {
    Root,
    Quote,
    List {
        start: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    Item,
    Table {
        rows: Vec<Vec<Field>>,
        is_layout: bool,
    },
    Row(Vec<Field>),
    Cell {
        head: bool,
        alignment: Alignment,
        /// The marks outside, which are those after it.
        marks: Marks,
    },
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            marks: Marks::default(),
            runs: Vec::new(),
            heading: None,
            open: vec![Open::new(Kind::Root)],
        }
    }
}

impl Open {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            blocks: Vec::new(),
        }
    }
}

impl Tree {
    pub(super) fn inline(&mut self, inline: Inline) {
        let marks = self.marks.clone();
        self.runs.push(Run { marks, inline });
    }

    pub(super) fn end_paragraph(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        let level = self.heading;
        let blocks = paragraphs(runs).into_iter().map(|content| match level {
            Some(level) => Block::Heading { level, content },
            None => Block::Paragraph(content),
        });
        let blocks: Vec<Block> = blocks.collect();
        self.top().blocks.extend(blocks);
    }

    pub(super) fn begin_heading(&mut self, level: u8) {
        self.end_paragraph();
        self.heading = Some(level);
    }

    pub(super) fn end_heading(&mut self) {
        self.end_paragraph();
        self.heading = None;
    }

    pub(super) fn rule(&mut self) {
        self.block(Block::Rule);
    }

    pub(super) fn code(&mut self, lines: &str) {
        let lines = lines.trim_end();
        // Browsers pass over one line end after the beginning.
        let lines = lines.strip_prefix('\n').unwrap_or(lines);
        if !lines.is_empty() {
            self.block(Block::Code(lines.to_owned()));
        }
    }

    fn block(&mut self, block: Block) {
        self.end_heading();
        self.top().blocks.push(block);
    }

    pub(super) fn open_quote(&mut self) {
        self.begin(Kind::Quote);
    }

    pub(super) fn close_quote(&mut self) {
        self.end(|kind| matches!(kind, Kind::Quote), |_| false);
    }

    /// `start`: the first number of a numbered list.
    pub(super) fn open_list(&mut self, start: Option<u64>) {
        self.begin(Kind::List {
            start,
            items: Vec::new(),
        });
    }

    pub(super) fn close_list(&mut self) {
        self.end(|kind| matches!(kind, Kind::List { .. }), |_| false);
    }

    /// An item ends the one before; one in no list makes a list.
    pub(super) fn open_item(&mut self) {
        self.end_heading();
        let nearest = self.open.iter().rposition(|open| {
            matches!(
                open.kind,
                Kind::List { .. } | Kind::Cell { .. } | Kind::Root
            )
        });
        match nearest {
            Some(at) if matches!(self.open[at].kind, Kind::List { .. }) => self.close_to(at + 1),
            _ => self.open_list(None),
        }
        if matches!(self.top().kind, Kind::List { .. }) {
            self.open.push(Open::new(Kind::Item));
        }
    }

    pub(super) fn close_item(&mut self) {
        self.end(
            |kind| matches!(kind, Kind::Item),
            |kind| matches!(kind, Kind::List { .. }),
        );
    }

    pub(super) fn open_table(&mut self, role: Option<&str>) {
        self.begin(Kind::Table {
            rows: Vec::new(),
            is_layout: role.is_some_and(|role| matches!(role, "presentation" | "none")),
        });
    }

    pub(super) fn close_table(&mut self) {
        self.end_paragraph();
        if let Some(at) = self.table() {
            self.close_to(at);
        }
    }

    pub(super) fn open_row(&mut self) {
        self.end_paragraph();
        if let Some(at) = self.table() {
            self.close_to(at + 1);
            self.open.push(Open::new(Kind::Row(Vec::new())));
        }
    }

    pub(super) fn close_row(&mut self) {
        self.end_paragraph();
        if let Some(at) = self.table() {
            self.close_to(at + 1);
        }
    }

    pub(super) fn open_cell(&mut self, head: bool, alignment: Alignment) {
        self.end_paragraph();
        let Some(at) = self.table() else {
            return;
        };
        if matches!(
            self.open.get(at + 1).map(|open| &open.kind),
            Some(Kind::Row(_))
        ) {
            self.close_to(at + 2);
        } else {
            self.open_row();
        }
        let marks = self.marks.clone();
        self.open.push(Open::new(Kind::Cell {
            head,
            alignment,
            marks,
        }));
    }

    pub(super) fn close_cell(&mut self) {
        self.end_paragraph();
        if let Some(at) = self.table() {
            self.close_to(at + 2);
        }
    }

    pub(super) fn finish(mut self) -> Document {
        self.end_paragraph();
        self.close_to(1);
        Document {
            blocks: std::mem::take(&mut self.top().blocks),
        }
    }

    /// Where the innermost table is.
    fn table(&self) -> Option<usize> {
        self.open
            .iter()
            .rposition(|open| matches!(open.kind, Kind::Table { .. }))
    }

    /// Begins an element, unless it would lie too deep.
    fn begin(&mut self, kind: Kind) {
        self.end_heading();
        let tables = |open: &&Open| matches!(open.kind, Kind::Table { .. });
        let deep = |open: &&Open| matches!(open.kind, Kind::Quote | Kind::List { .. } | Kind::Item);
        let fits = match kind {
            Kind::Table { .. } => self.open.iter().filter(tables).count() < TABLES_MAX,
            // A list brings its items.
            _ => self.open.iter().filter(deep).count() + 2 < DEPTH_MAX,
        };
        if fits {
            self.open.push(Open::new(kind));
        }
    }

    /// Ends the innermost element of a kind, if it began within the same cell and within whatever `shields` it.
    fn end(&mut self, is_it: impl Fn(&Kind) -> bool, shields: impl Fn(&Kind) -> bool) {
        self.end_heading();
        let mut kinds = self.open.iter().map(|open| &open.kind);
        let ends = |kind: &Kind| is_it(kind) || shields(kind) || matches!(kind, Kind::Cell { .. });
        if let Some(at) = kinds.rposition(ends)
            && is_it(&self.open[at].kind)
        {
            self.close_to(at);
        }
    }

    /// Ends elements until as many are open.
    fn close_to(&mut self, length: usize) {
        while self.open.len() > length.max(1) {
            self.end_heading();
            if let Some(open) = self.open.pop() {
                self.close(open);
            }
        }
    }

    fn close(&mut self, open: Open) {
        let Open { kind, blocks } = open;
        let parent = self.top();
        match (kind, &mut parent.kind) {
            (Kind::Quote, _) if !blocks.is_empty() => parent.blocks.push(Block::Quote(blocks)),
            (Kind::List { start, mut items }, _) => {
                if !blocks.is_empty() {
                    items.push(blocks);
                }
                if !items.is_empty() {
                    parent.blocks.push(Block::List { start, items });
                }
            }
            (Kind::Item, Kind::List { items, .. }) if !blocks.is_empty() => items.push(blocks),
            (Kind::Table { rows, is_layout }, _) => {
                parent.blocks.extend(blocks);
                parent.blocks.extend(laid_out(rows, is_layout));
            }
            (Kind::Row(fields), Kind::Table { rows, .. }) => {
                rows.push(fields);
                parent.blocks.extend(blocks);
            }
            (
                Kind::Cell {
                    head,
                    alignment,
                    marks,
                },
                Kind::Row(fields),
            ) => {
                fields.push(Field {
                    head,
                    alignment,
                    blocks,
                });
                self.marks = marks;
            }
            _ => parent.blocks.extend(blocks),
        }
    }

    fn top(&mut self) -> &mut Open {
        self.open.last_mut().expect("the root is never closed")
    }
}
