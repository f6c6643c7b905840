//! HTML into the content tree: what a browser would show of it, as far as the tree has room for it. What runs, is hidden
//! or only lays out is left out; nothing of the source but words and vetted targets gets through.

mod element;
mod run;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

use super::document::{Document, Inline, Target, literal, printable};
use element::{Element, Phrase};
use tree::Tree;

/// Parses any text: browsers have a way to read everything, and so have we.
pub fn parse(html: &str) -> Document {
    let mut emitter = DefaultEmitter::default();
    // Scripts and styles are no markup within.
    emitter.naively_switch_states(true);
    let mut reader = Reader::default();
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        reader.take(token);
    }
    reader.tree.finish()
}

#[derive(Default)]
struct Reader {
    tree: Tree,
    hidden: Option<Hidden>,
    /// Literal lines under way, in which only words count.
    literal: Option<String>,
}

/// An element of which nothing is shown, and how many of its name are open within.
struct Hidden {
    name: String,
    open: usize,
}

impl Reader {
    fn take(&mut self, token: Token) {
        match token {
            Token::StartTag(tag) => self.start(&tag),
            Token::EndTag(tag) => self.end(&String::from_utf8_lossy(&tag.name)),
            Token::String(text) if self.hidden.is_none() => {
                self.text(&String::from_utf8_lossy(&text));
            }
            // A comment is nobody's business, and a mistake is no obstacle.
            Token::String(_) | Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        if let Some(hidden) = &mut self.hidden {
            hidden.open += usize::from(hidden.name == name);
            return;
        }
        let element = Element::of(&name);
        if element == Element::Dropped || is_hidden(tag) {
            if !element::is_void(&name) {
                self.hidden = Some(Hidden {
                    name: name.into_owned(),
                    open: 1,
                });
            }
            return;
        }
        if let Some(lines) = &mut self.literal {
            match element {
                Element::Break => lines.push('\n'),
                Element::Picture => {
                    lines.push_str(&literal(&attribute(tag, "alt").unwrap_or_default()));
                }
                _ => {}
            }
            return;
        }
        self.open(element, tag);
    }

    fn open(&mut self, element: Element, tag: &StartTag<()>) {
        let tree = &mut self.tree;
        match element {
            Element::Phrase(Phrase::Link) => {
                tree.marks.link = attribute(tag, "href").and_then(|href| Target::link(&href));
            }
            Element::Phrase(Phrase::Mark(mark)) => tree.marks.more(mark),
            Element::Break => tree.inline(Inline::Break),
            Element::Picture => self.picture(tag),
            Element::Boundary => tree.end_paragraph(),
            Element::Heading(level) => tree.begin_heading(level),
            Element::Rule => tree.rule(),
            Element::Quote => tree.open_quote(),
            Element::List { numbered } => {
                let start = attribute(tag, "start").and_then(|start| start.trim().parse().ok());
                tree.open_list(numbered.then(|| start.unwrap_or(1)));
            }
            Element::Item => tree.open_item(),
            Element::Preformatted => {
                tree.end_paragraph();
                self.literal = Some(String::new());
            }
            Element::Table => tree.open_table(attribute(tag, "role").as_deref()),
            Element::Row => tree.open_row(),
            Element::Cell { head } => tree.open_cell(head, alignment(tag)),
            Element::Dropped | Element::Plain => {}
        }
    }

    fn end(&mut self, name: &str) {
        if let Some(hidden) = &mut self.hidden {
            hidden.open -= usize::from(hidden.name == name);
            if hidden.open == 0 {
                self.hidden = None;
            }
            return;
        }
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
            | Element::Dropped
            | Element::Plain => {}
        }
    }

    fn text(&mut self, text: &str) {
        match &mut self.literal {
            Some(lines) => lines.push_str(&literal(text)),
            None => self.tree.inline(Inline::Text(printable(text))),
        }
    }

    /// A picture that can not be shown is words; one that only reports its reader is nothing.
    fn picture(&mut self, tag: &StartTag<()>) {
        let size = |side| attribute(tag, side).and_then(|it| it.trim().parse::<u32>().ok());
        if size("width").is_some_and(|it| it <= 1) && size("height").is_some_and(|it| it <= 1) {
            return;
        }
        let alt = attribute(tag, "alt").unwrap_or_default();
        let alt = printable(&alt).trim().to_owned();
        let source = attribute(tag, "src").and_then(|source| Target::image(&source));
        self.tree.inline(match source {
            Some(source) => Inline::Image { source, alt },
            None => Inline::Text(alt),
        });
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The styles of an element, in lower case and without spaces.
fn style(tag: &StartTag<()>) -> String {
    let style = attribute(tag, "style").unwrap_or_default();
    let style = style.split_whitespace().collect::<String>();
    style.to_ascii_lowercase()
}

fn is_hidden(tag: &StartTag<()>) -> bool {
    tag.attributes.contains_key(&b"hidden"[..])
        || ["display:none", "visibility:hidden"]
            .iter()
            .any(|hides| style(tag).contains(hides))
}

fn alignment(tag: &StartTag<()>) -> super::document::Alignment {
    use super::document::Alignment;
    let style = style(tag);
    let asked = attribute(tag, "align").map(|align| align.to_ascii_lowercase());
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
