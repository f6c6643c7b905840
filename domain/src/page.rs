//! What a reader sees of a page in HTML: the one rule that decides whether a page says anything, and what of it is sent.

mod open;
#[cfg(test)]
mod tests;

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

use open::Open;

use crate::value::Target;

/// A piece of a page that is shown.
#[derive(Clone, Debug)]
pub enum Piece {
    /// An element begins.
    Start(Tag),
    /// An element of this name, in lower case, ends; perhaps one that never began.
    End(String),
    /// Words, as they are meant.
    Words(String),
}

/// The beginning of an element.
#[derive(Clone, Debug)]
pub struct Tag(StartTag<()>);

impl Tag {
    /// Its name, in lower case.
    pub fn name(&self) -> String {
        utf8(&self.0.name)
    }

    /// The value of an attribute, by its name in lower case.
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.0.attributes.get(name.as_bytes()).map(|it| utf8(it))
    }

    /// Its styles, in lower case and without spaces.
    pub fn style(&self) -> String {
        let style = self.attribute("style").unwrap_or_default();
        let style = style.split_whitespace().collect::<String>();
        style.to_ascii_lowercase()
    }

    /// Whether nothing of the element, and nothing within, is shown.
    fn hides(&self, name: &str) -> bool {
        let of_this_style = |style: String| {
            style.split(';').any(|declared| {
                let declared = declared.trim_end_matches("!important");
                ["display:none", "visibility:hidden"].contains(&declared)
            })
        };
        UNSEEN.contains(&name)
            || self.0.attributes.contains_key(&b"hidden"[..])
            || of_this_style(self.style())
            || (name == "img" && self.is_dot())
    }

    /// A picture of one dot shows nothing; it reports its reader.
    fn is_dot(&self) -> bool {
        let size = |side| self.attribute(side)?.trim().parse::<u32>().ok();
        ["width", "height"]
            .into_iter()
            .all(|side| size(side).is_some_and(|it| it <= 1))
    }

    /// Whether it is a picture of which anything is shown: itself, or its words.
    fn is_picture(&self) -> bool {
        self.name() == "img"
            && (self.attribute("alt").is_some_and(|alt| has_words(&alt))
                || self
                    .attribute("src")
                    .is_some_and(|it| Target::image(&it).is_some()))
    }
}

/// Elements of which no channel shows anything.
const UNSEEN: [&str; 21] = [
    "title", "script", "style", "template", "noscript", "textarea", "select", "datalist", "iframe",
    "object", "embed", "applet", "svg", "math", "audio", "video", "canvas", "map", "noembed",
    "noframes", "frameset",
];

/// What is shown of a page, in its order. An element that hides what is within ends where a browser ends it, also without
/// an end tag of its own.
pub fn shown(html: &str) -> impl Iterator<Item = Piece> {
    let mut emitter = DefaultEmitter::default();
    // Scripts and styles are no markup within.
    emitter.naively_switch_states(true);
    let mut open = Open::default();
    Tokenizer::new_with_emitter(html, emitter).filter_map(move |Ok(token)| match token {
        Token::StartTag(tag) => {
            let tag = Tag(tag);
            let name = tag.name();
            let hides = tag.hides(&name);
            let shown = open.start(&name, tag.0.self_closing, hides);
            shown.then_some(Piece::Start(tag))
        }
        Token::EndTag(tag) => {
            let name = utf8(&tag.name);
            open.end(&name).then_some(Piece::End(name))
        }
        Token::String(text) => (!open.is_hidden()).then(|| Piece::Words(utf8(&text))),
        // A comment is nobody's business, and a mistake is no obstacle.
        Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => None,
    })
}

/// Whether a page shows a word or a picture.
pub fn shows_anything(html: &str) -> bool {
    shown(html).any(|piece| match piece {
        Piece::Start(tag) => tag.is_picture(),
        Piece::Words(text) => has_words(&text),
        Piece::End(_) => false,
    })
}

fn has_words(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control())
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
