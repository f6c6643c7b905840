//! HTML into the content tree: what a browser would show of it, as far as the tree has room for it. What runs, is hidden
//! or only lays out is left out; nothing of the source but words and vetted targets gets through.

mod element;
mod run;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use tidings_domain::page::{self, Piece, Tag};

use super::document::{Document, Inline, Target, literal, printable};
use element::{Element, Phrase};
use tree::Tree;

/// Parses any text: browsers have a way to read everything, and so have we.
pub fn parse(html: &str) -> Document {
    let mut reader = Reader::default();
    for piece in page::shown(html) {
        reader.take(piece);
    }
    reader.tree.finish()
}

#[derive(Default)]
struct Reader {
    tree: Tree,
    /// Literal lines under way, in which only words count.
    literal: Option<String>,
}

impl Reader {
    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Start(tag) => self.start(&tag),
            Piece::End(name) => self.end(&name),
            Piece::Words(text) => self.text(&text),
        }
    }

    fn start(&mut self, tag: &Tag) {
        let element = Element::of(&tag.name());
        if let Some(lines) = &mut self.literal {
            match element {
                Element::Break => lines.push('\n'),
                Element::Picture => {
                    lines.push_str(&literal(&tag.attribute("alt").unwrap_or_default()));
                }
                _ => {}
            }
            return;
        }
        self.open(element, tag);
    }

    fn open(&mut self, element: Element, tag: &Tag) {
        let tree = &mut self.tree;
        match element {
            Element::Phrase(Phrase::Link) => {
                tree.marks.link = tag.attribute("href").and_then(|href| Target::link(&href));
            }
            Element::Phrase(Phrase::Mark(mark)) => tree.marks.more(mark),
            Element::Break => tree.inline(Inline::Break),
            Element::Picture => self.picture(tag),
            Element::Boundary => tree.end_paragraph(),
            Element::Heading(level) => tree.begin_heading(level),
            Element::Rule => tree.rule(),
            Element::Quote => tree.open_quote(),
            Element::List { numbered } => {
                let start = tag
                    .attribute("start")
                    .and_then(|start| start.trim().parse().ok());
                tree.open_list(numbered.then(|| start.unwrap_or(1)));
            }
            Element::Item => tree.open_item(),
            Element::Preformatted => {
                tree.end_paragraph();
                self.literal = Some(String::new());
            }
            Element::Table => tree.open_table(tag.attribute("role").as_deref()),
            Element::Row => tree.open_row(),
            Element::Cell { head } => tree.open_cell(head, alignment(tag)),
            Element::Plain => {}
        }
    }

    fn end(&mut self, name: &str) {
        let element = Element::of(name);
        if let Some(lines) = self.literal.take() {
            match element {
                Element::Preformatted => self.tree.code(&lines),
                _ => self.literal = Some(lines),
            }
            return;
        }
        let tree = &mut self.tree;
        match element {
            Element::Phrase(Phrase::Link) => tree.marks.link = None,
            Element::Phrase(Phrase::Mark(mark)) => tree.marks.less(mark),
            Element::Boundary => tree.end_paragraph(),
            Element::Heading(_) => tree.end_heading(),
            Element::Quote => tree.close_quote(),
            Element::List { .. } => tree.close_list(),
            Element::Item => tree.close_item(),
            Element::Table => tree.close_table(),
            Element::Row => tree.close_row(),
            Element::Cell { .. } => tree.close_cell(),
            Element::Break
            | Element::Picture
            | Element::Rule
            | Element::Preformatted
            | Element::Plain => {}
        }
    }

    fn text(&mut self, text: &str) {
        match &mut self.literal {
            Some(lines) => lines.push_str(&literal(text)),
            None => self.tree.inline(Inline::Text(printable(text))),
        }
    }

    /// A picture that can not be shown is words.
    fn picture(&mut self, tag: &Tag) {
        let alt = tag.attribute("alt").unwrap_or_default();
        let alt = printable(&alt).trim().to_owned();
        let source = tag
            .attribute("src")
            .and_then(|source| Target::image(&source));
        self.tree.inline(match source {
            Some(source) => Inline::Image { source, alt },
            None => Inline::Text(alt),
        });
    }
}

fn alignment(tag: &Tag) -> super::document::Alignment {
    use super::document::Alignment;
    let style = tag.style();
    let asked = tag
        .attribute("align")
        .map(|align| align.to_ascii_lowercase());
    let is = |side: &str| {
        asked.as_deref() == Some(side) || style.contains(&format!("text-align:{side}"))
    };
    if is("right") {
        Alignment::Right
    } else if is("center") {
        Alignment::Center
    } else {
        Alignment::Left
    }
}
