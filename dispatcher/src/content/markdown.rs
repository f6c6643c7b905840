//! Markdown (CommonMark, tables, strikethrough) into the content tree. Raw HTML stays visible text.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};

use super::document::{
    Alignment, Block, Cell, DEPTH_MAX, Document, Inline, Table, Target, literal, plain_text,
    printable,
};

/// Parses any text.
pub fn parse(markdown: &str) -> Document {
    let source = markdown.replace("\r\n", "\n").replace('\r', "\n");
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut tree = Tree::new();
    for event in Parser::new_ext(&source, options) {
        tree.take(event);
    }
    tree.finish()
}

/// An element that has started and not ended, with what it holds so far.
#[derive(Default)]
struct Frame {
    kind: FrameKind,
    blocks: Vec<Block>,
    inlines: Vec<Inline>,
    items: Vec<Vec<Block>>,
    cells: Vec<Cell>,
    table: Table,
}

#[derive(Default)]
enum FrameKind {
    #[default]
    Root,
    Quote,
    List(Option<u64>),
    Item,
    Paragraph,
    /// The paragraph that words directly in a container (a tight list's item) stand in.
    Implied,
    Heading(u8),
    /// Literal lines; `true` when they are a block of raw HTML.
    Literal {
        html: bool,
    },
    Table,
    Row {
        head: bool,
    },
    Cell,
    Strong,
    Emphasis,
    Strikethrough,
    Link(Option<Target>),
    Image(Option<Target>),
    /// An element we have no use for: its content counts, its meaning does not.
    Plain,
}

struct Tree {
    /// Never empty; the first is the root.
    open: Vec<Frame>,
    /// How many elements deeper than kept we are.
    too_deep: usize,
}

impl Tree {
    fn new() -> Self {
        Self {
            open: vec![Frame::default()],
            too_deep: 0,
        }
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(_) => self.end(),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => self.inline(Inline::Code(printable(&text))),
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => self.inline(Inline::Break),
            Event::Rule => {
                self.end_implied();
                self.block(Block::Rule);
            }
            // Extensions that are not switched on.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text);
            }
            Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let kind = match tag {
            Tag::Paragraph => FrameKind::Paragraph,
            Tag::Heading { level, .. } => FrameKind::Heading(level as u8),
            Tag::BlockQuote(_) => FrameKind::Quote,
            Tag::CodeBlock(CodeBlockKind::Indented | CodeBlockKind::Fenced(_)) => {
                FrameKind::Literal { html: false }
            }
            Tag::HtmlBlock => FrameKind::Literal { html: true },
            Tag::List(start) => FrameKind::List(start),
            Tag::Item => FrameKind::Item,
            Tag::Table(alignments) => return self.start_table(&alignments),
            Tag::TableHead => FrameKind::Row { head: true },
            Tag::TableRow => FrameKind::Row { head: false },
            Tag::TableCell => FrameKind::Cell,
            Tag::Emphasis => FrameKind::Emphasis,
            Tag::Strong => FrameKind::Strong,
            Tag::Strikethrough => FrameKind::Strikethrough,
            Tag::Link { dest_url, .. } => FrameKind::Link(Target::link(&dest_url)),
            Tag::Image { dest_url, .. } => FrameKind::Image(Target::image(&dest_url)),
            _ => FrameKind::Plain,
        };
        self.open(Frame {
            kind,
            ..Frame::default()
        });
    }

    fn start_table(&mut self, alignments: &[pulldown_cmark::Alignment]) {
        let alignments = alignments
            .iter()
            .map(|alignment| match alignment {
                pulldown_cmark::Alignment::Right => Alignment::Right,
                pulldown_cmark::Alignment::Center => Alignment::Center,
                _ => Alignment::Left,
            })
            .collect();
        self.open(Frame {
            kind: FrameKind::Table,
            table: Table {
                alignments,
                ..Table::default()
            },
            ..Frame::default()
        });
    }

    fn open(&mut self, frame: Frame) {
        if frame.kind.is_inline() {
            self.imply_paragraph();
        } else {
            self.end_implied();
        }
        if self.too_deep > 0 || self.open.len() >= DEPTH_MAX {
            self.too_deep += 1;
        } else {
            self.open.push(frame);
        }
    }

    fn end(&mut self) {
        // Inline elements end inside the implied paragraph, which is then not on top.
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        self.end_implied();
        if self.open.len() > 1
            && let Some(frame) = self.open.pop()
        {
            self.close(frame);
        }
    }

    fn close(&mut self, frame: Frame) {
        match frame.kind {
            FrameKind::Quote => self.block(Block::Quote(frame.blocks)),
            FrameKind::List(start) => {
                let mut items = frame.items;
                if !frame.blocks.is_empty() {
                    items.push(frame.blocks);
                }
                self.block(Block::List { start, items });
            }
            FrameKind::Item => self.top().items.push(frame.blocks),
            FrameKind::Paragraph | FrameKind::Implied => self.paragraph(frame.inlines),
            FrameKind::Heading(level) => self.block(Block::Heading {
                level,
                content: frame.inlines,
            }),
            FrameKind::Literal { html: true } => self.paragraph(shown_as_lines(&frame.inlines)),
            FrameKind::Literal { html: false } => {
                let text = plain_text(&frame.inlines);
                self.block(Block::Code(text.trim_end_matches('\n').to_owned()));
            }
            FrameKind::Table => {
                self.block(Block::Table(frame.table));
                self.paragraph(frame.inlines);
            }
            FrameKind::Row { head } => {
                let table = self.top();
                table.inlines.extend(frame.inlines);
                if head {
                    table.table.head = frame.cells;
                } else {
                    table.table.rows.push(frame.cells);
                }
            }
            FrameKind::Cell => self.top().cells.push(frame.inlines),
            FrameKind::Strong => self.inline(Inline::Strong(frame.inlines)),
            FrameKind::Emphasis => self.inline(Inline::Emphasis(frame.inlines)),
            FrameKind::Strikethrough => self.inline(Inline::Strikethrough(frame.inlines)),
            FrameKind::Link(Some(target)) => self.inline(Inline::Link {
                target,
                content: frame.inlines,
            }),
            FrameKind::Image(Some(source)) => self.inline(Inline::Image {
                source,
                alt: plain_text(&frame.inlines),
            }),
            FrameKind::Root | FrameKind::Link(None) | FrameKind::Image(None) | FrameKind::Plain => {
                let parent = self.top();
                parent.blocks.extend(frame.blocks);
                parent.inlines.extend(frame.inlines);
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.imply_paragraph();
        let is_literal = matches!(self.top().kind, FrameKind::Literal { .. });
        let text = if is_literal {
            literal(text)
        } else {
            printable(text)
        };
        match self.top().inlines.last_mut() {
            Some(Inline::Text(before)) => before.push_str(&text),
            _ => self.top().inlines.push(Inline::Text(text)),
        }
    }

    fn inline(&mut self, inline: Inline) {
        self.imply_paragraph();
        self.top().inlines.push(inline);
    }

    fn paragraph(&mut self, inlines: Vec<Inline>) {
        if !inlines.is_empty() {
            self.block(Block::Paragraph(inlines));
        }
    }

    fn block(&mut self, block: Block) {
        self.top().blocks.push(block);
    }

    fn imply_paragraph(&mut self) {
        if self.top().kind.is_container() {
            self.open.push(Frame {
                kind: FrameKind::Implied,
                ..Frame::default()
            });
        }
    }

    fn end_implied(&mut self) {
        if matches!(self.top().kind, FrameKind::Implied)
            && let Some(frame) = self.open.pop()
        {
            self.close(frame);
        }
    }

    fn top(&mut self) -> &mut Frame {
        self.open
            .last_mut()
            .expect("the root frame is never popped")
    }

    fn finish(mut self) -> Document {
        self.end_implied();
        Document {
            blocks: std::mem::take(&mut self.top().blocks),
        }
    }
}

impl FrameKind {
    fn is_container(&self) -> bool {
        matches!(
            self,
            Self::Root | Self::Quote | Self::Item | Self::List(_) | Self::Plain
        )
    }

    fn is_inline(&self) -> bool {
        matches!(
            self,
            Self::Strong | Self::Emphasis | Self::Strikethrough | Self::Link(_) | Self::Image(_)
        )
    }
}

fn shown_as_lines(inlines: &[Inline]) -> Vec<Inline> {
    let text = plain_text(inlines);
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if !lines.is_empty() {
            lines.push(Inline::Break);
        }
        lines.push(Inline::Text(line.trim().to_owned()));
    }
    lines
}
