//! An HTML file: its `<title>`, where it is on the web by `<link rel="canonical">`, and what its `<meta name="tidings:…">`
//! say.

#[cfg(test)]
mod tests;

use html5gum::{DefaultEmitter, Span, StartTag, Token, Tokenizer};
use serde_json::{Map, Value};
use tidings_domain::value::PageUrl;
use tidings_service::{Problem, problem};

use super::body::with_lines;
use super::content::PublicationContent;

/// What the names of our own `<meta>` begin with; all others are somebody else's.
const PREFIX: &str = "tidings:";
/// The key of the text, which is the whole page.
const TEXT_KEY: &str = "html";
/// Keys with several values, which stand in one `<meta>` with commas or spaces between.
const LISTS: [&str; 4] = ["channels", "topics", "segments", "excluded_segments"];

/// Reads a file.
///
/// # Errors
/// 422 with pointer and line when a `<meta>` of ours is of no use, or there are two of one name, or one is missing.
pub(super) fn read(file: &str) -> Result<PublicationContent, Problem> {
    let mut keys: Map<String, Value> = Map::new();
    let mut lines: Vec<(String, usize)> = Vec::new();
    let mut title = None;
    let mut in_title = false;
    let mut canonical = None;
    for token in tokens(file) {
        match token {
            Token::StartTag(tag) if *tag.name == b"title"[..] => in_title = title.is_none(),
            Token::String(text) if in_title => {
                title.get_or_insert_with(String::new).push_str(&utf8(&text));
            }
            Token::EndTag(tag) if *tag.name == b"title"[..] => in_title = false,
            Token::StartTag(tag) if *tag.name == b"link"[..] => {
                canonical = canonical.or_else(|| canonical_url(&tag));
            }
            Token::StartTag(tag) if *tag.name == b"meta"[..] => {
                let Some((key, value)) = ours(&tag) else {
                    continue;
                };
                let line = line_at(file, tag.span);
                let wrong = if key == TEXT_KEY {
                    Some("the text is the page itself")
                } else if keys.insert(key.clone(), value).is_some() {
                    Some("it is given twice")
                } else {
                    None
                };
                if let Some(wrong) = wrong {
                    let detail = format!("Line {line}: {wrong}");
                    return Err(Problem::validation().error(format!("#/{key}"), detail));
                }
                lines.push((key, line));
            }
            _ => {}
        }
    }
    if let Some(title) = title {
        let words: Vec<&str> = title.split_whitespace().collect();
        keys.entry("title")
            .or_insert_with(|| words.join(" ").into());
    }
    if let Some(url) = canonical {
        keys.entry("url").or_insert_with(|| url.into());
    }
    keys.insert(TEXT_KEY.to_owned(), file.into());
    problem::from_value(Value::Object(keys)).map_err(|problem| {
        with_lines(&problem, |key| {
            let named = lines.iter().find(|(name, _)| name == key);
            named.map(|(_, line)| *line)
        })
    })
}

fn tokens(html: &str) -> impl Iterator<Item = Token<usize>> {
    let mut emitter = DefaultEmitter::new_with_span();
    // Scripts and styles are no markup within.
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(html, emitter).map(|Ok(token)| token)
}

/// Key and value, if the `<meta>` is for us.
fn ours(tag: &StartTag<usize>) -> Option<(String, Value)> {
    let attribute = |name: &[u8]| tag.attributes.get(name).map(|value| utf8(value));
    let name = attribute(b"name")?;
    let key = name.trim().strip_prefix(PREFIX)?.to_owned();
    let value = attribute(b"content").unwrap_or_default();
    let value = if LISTS.contains(&key.as_str()) {
        let separate = |c: char| c == ',' || c.is_whitespace();
        let values = value.split(separate).filter(|value| !value.is_empty());
        values.map(Value::from).collect()
    } else {
        value.into()
    };
    Some((key, value))
}

/// Where the page says that it is on the web. Not written for us: an address that is of no use is passed over.
fn canonical_url(tag: &StartTag<usize>) -> Option<String> {
    let attribute = |name: &[u8]| tag.attributes.get(name).map(|value| utf8(value));
    let relations = attribute(b"rel")?;
    let says_so = |word: &str| word.eq_ignore_ascii_case("canonical");
    relations.split_whitespace().find(|word| says_so(word))?;
    let url = PageUrl::parse(&attribute(b"href")?).ok()?;
    Some(url.as_str().to_owned())
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn line_at(file: &str, span: Span) -> usize {
    let before = &file.as_bytes()[..span.start.min(file.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
