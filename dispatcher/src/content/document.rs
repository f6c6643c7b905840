//! The content tree: small, and safe by construction. No raw HTML, only web and mail links.

pub use tidings_domain::value::Target;

/// Deepest nesting kept as such; what lies deeper is read as part of its surroundings.
/// Keeps every walk over the tree within a small stack.
pub(super) const DEPTH_MAX: usize = 24;

/// A parsed text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
}

/// A block of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading of level 1 to 6.
    Heading {
        /// 1 is the most important.
        level: u8,
        /// Its words.
        content: Vec<Inline>,
    },
    /// A paragraph.
    Paragraph(Vec<Inline>),
    /// A list.
    List {
        /// The first number of a numbered list; none for bullets.
        start: Option<u64>,
        /// The items, each with blocks of its own.
        items: Vec<Vec<Block>>,
    },
    /// A quotation.
    Quote(Vec<Block>),
    /// Literal text in a fixed-width face.
    Code(String),
    /// A table.
    Table(Table),
    /// A line between two parts.
    Rule,
}

/// A table; every row has as many cells as the head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// How each column is set.
    pub alignments: Vec<Alignment>,
    /// The head row; where nothing says what the columns are, its cells are empty.
    pub head: Vec<Cell>,
    /// The other rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Whether anything says what the columns are.
    pub fn has_head(&self) -> bool {
        self.head.iter().any(|cell| !cell.is_empty())
    }
}

/// The content of one cell.
pub type Cell = Vec<Inline>;

/// How a column is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alignment {
    /// To the left.
    #[default]
    Left,
    /// In the middle.
    Center,
    /// To the right, as numbers are.
    Right,
}

/// A piece of running text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    /// Words. No control characters, no line breaks.
    Text(String),
    /// Important words.
    Strong(Vec<Inline>),
    /// Stressed words.
    Emphasis(Vec<Inline>),
    /// Words that no longer hold.
    Strikethrough(Vec<Inline>),
    /// Literal words.
    Code(String),
    /// Words that lead somewhere.
    Link {
        /// Where to.
        target: Target,
        /// The words; never holds another link.
        content: Vec<Inline>,
    },
    /// A picture.
    Image {
        /// Where it is: http or https.
        source: Target,
        /// What it shows, in words; may be empty.
        alt: String,
    },
    /// A new line.
    Break,
}

/// Words on one line, without control characters (an entity such as `&#7;` can smuggle one in).
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\n' || c == '\t' { ' ' } else { c })
        .filter(|c| !c.is_control())
        .collect()
}

/// Literal lines keep their line ends; tabs become spaces, which every reader shows alike.
pub(super) fn literal(text: &str) -> String {
    text.replace('\t', "    ")
        .chars()
        .filter(|c| *c == '\n' || !c.is_control())
        .collect()
}

/// The bare words of some content; a line break becomes a space, an image its description.
pub fn plain_text(content: &[Inline]) -> String {
    let mut words = String::new();
    collect_words(content, &mut words);
    words
}

fn collect_words(content: &[Inline], words: &mut String) {
    for inline in content {
        match inline {
            Inline::Text(text) | Inline::Code(text) => words.push_str(text),
            Inline::Strong(inner)
            | Inline::Emphasis(inner)
            | Inline::Strikethrough(inner)
            | Inline::Link { content: inner, .. } => collect_words(inner, words),
            Inline::Image { alt, .. } => words.push_str(alt),
            Inline::Break => words.push(' '),
        }
    }
}

/// The same without words marked as important, for where all are: a mark does not stand within itself.
pub(super) fn without_strong(content: &[Inline]) -> Vec<Inline> {
    let mut plain = Vec::with_capacity(content.len());
    for inline in content {
        match inline {
            Inline::Strong(inner) => plain.extend(without_strong(inner)),
            Inline::Emphasis(inner) => plain.push(Inline::Emphasis(without_strong(inner))),
            Inline::Strikethrough(inner) => {
                plain.push(Inline::Strikethrough(without_strong(inner)));
            }
            other => plain.push(other.clone()),
        }
    }
    plain
}

/// The first words of a document, at most `length_max` characters, for previews.
pub fn excerpt(document: &Document, length_max: usize) -> String {
    let mut words = String::new();
    for block in &document.blocks {
        if words.chars().count() >= length_max {
            break;
        }
        if let Block::Paragraph(content) = block {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(plain_text(content).trim());
        }
    }
    shorten(&words, length_max)
}

/// Cuts after a word so that at most `length_max` characters remain, the ellipsis included.
pub fn shorten(text: &str, length_max: usize) -> String {
    if text.chars().count() <= length_max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(length_max.saturating_sub(1)).collect();
    if let Some(end) = cut.rfind(char::is_whitespace) {
        cut.truncate(end);
    }
    let end = cut.trim_end_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation());
    cut.truncate(end.len());
    cut.push('…');
    cut
}
