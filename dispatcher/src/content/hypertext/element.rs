//! What the elements of HTML mean to a reader of text.

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// Marks words.
    Phrase(Phrase),
    /// A new line.
    Break,
    /// A picture.
    Picture,
    /// Words before and after it are not in one paragraph.
    Boundary,
    /// A heading of this level.
    Heading(u8),
    /// A line between two parts.
    Rule,
    /// A quotation.
    Quote,
    /// A list.
    List {
        /// Whether its items have numbers.
        numbered: bool,
    },
    /// An item of a list.
    Item,
    /// Literal lines.
    Preformatted,
    /// A table, or what a layout is made of.
    Table,
    /// A row of one.
    Row,
    /// A cell of one.
    Cell {
        /// Whether it says what its column is.
        head: bool,
    },
    /// Its content counts, its meaning does not.
    Plain,
}

/// What words are marked as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phrase {
    /// They lead somewhere.
    Link,
    /// They are set in another way.
    Mark(Mark),
}

/// How words are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Strong,
    Emphasis,
    Strikethrough,
    Code,
}

impl Element {
    /// By its name in lower case.
    pub(super) fn of(name: &str) -> Self {
        let mark = |mark| Self::Phrase(Phrase::Mark(mark));
        match name {
            "a" => Self::Phrase(Phrase::Link),
            "b" | "strong" => mark(Mark::Strong),
            "i" | "em" | "cite" | "dfn" | "var" => mark(Mark::Emphasis),
            "s" | "del" | "strike" => mark(Mark::Strikethrough),
            "code" | "kbd" | "samp" | "tt" => mark(Mark::Code),
            "br" => Self::Break,
            "img" => Self::Picture,
            "h1" => Self::Heading(1),
            "h2" => Self::Heading(2),
            "h3" => Self::Heading(3),
            "h4" => Self::Heading(4),
            "h5" => Self::Heading(5),
            "h6" => Self::Heading(6),
            "hr" => Self::Rule,
            "blockquote" => Self::Quote,
            "ul" | "menu" | "dir" => Self::List { numbered: false },
            "ol" => Self::List { numbered: true },
            "li" => Self::Item,
            "pre" | "listing" | "xmp" | "plaintext" => Self::Preformatted,
            "table" => Self::Table,
            "tr" => Self::Row,
            "th" => Self::Cell { head: true },
            "td" => Self::Cell { head: false },
            "p" | "div" | "section" | "article" | "header" | "footer" | "main" | "aside"
            | "nav" | "address" | "figure" | "figcaption" | "form" | "fieldset" | "legend"
            | "center" | "dl" | "dt" | "dd" | "details" | "summary" | "hgroup" | "body"
            | "html" | "head" | "thead" | "tbody" | "tfoot" | "caption" | "option" => {
                Self::Boundary
            }
            _ => Self::Plain,
        }
    }
}
