//! Lays parts out on a page of limited length, never cutting a link, an escape or a fence in two.

use crate::content::chat::{FENCE, Line, length};

/// A top-level block.
pub(super) enum Part {
    /// Lines of markup.
    Words(Vec<Line>),
    /// Literal lines, to stand between fences.
    Code(Vec<String>),
}

/// The parts with an empty line between them, and whether all of them fitted into `length_max` UTF-16 units.
pub(super) fn lay_out(parts: &[Part], length_max: usize) -> (String, bool) {
    let mut page = Page {
        text: String::new(),
        room: length_max,
    };
    let fitted = parts.iter().all(|part| match part {
        Part::Words(lines) => page.words(lines),
        Part::Code(lines) => page.code(lines),
    });
    page.text.truncate(page.text.trim_end().len());
    (page.text, fitted)
}

struct Page {
    text: String,
    room: usize,
}

impl Page {
    fn words(&mut self, lines: &[Line]) -> bool {
        let mut between = self.between_parts();
        lines.iter().all(|line| {
            let line = format!("{between}{}{}", line.prefix, line.text);
            between = "\n";
            self.push(&line) || {
                self.push(&line[..cut_at(&line, self.room)]);
                false
            }
        })
    }

    fn code(&mut self, lines: &[String]) -> bool {
        let (open, close) = (
            format!("{}{FENCE}", self.between_parts()),
            format!("\n{FENCE}"),
        );
        if lines.iter().all(String::is_empty) {
            return true;
        }
        // A fence pays only if something can stand behind it: a line end and some character.
        let Some(room) = self.room.checked_sub(length(&close)) else {
            return false;
        };
        if room < length(&open) + 3 {
            return false;
        }
        self.room = room;
        self.push(&open);
        let fitted = lines.iter().all(|line| {
            let line = format!("\n{line}");
            self.push(&line) || {
                self.push(beginning(&line, self.room).trim_end());
                false
            }
        });
        self.text.push_str(&close);
        fitted
    }

    fn between_parts(&self) -> &'static str {
        if self.text.is_empty() { "" } else { "\n\n" }
    }

    /// Whether there was room.
    fn push(&mut self, text: &str) -> bool {
        let rest = self.room.checked_sub(length(text));
        if let Some(rest) = rest {
            self.room = rest;
            self.text.push_str(text);
        }
        rest.is_some()
    }
}

/// As much of literal text as has at most `length_max` units.
fn beginning(text: &str, length_max: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        taken += c.len_utf16();
        (taken > length_max).then_some(at)
    });
    &text[..end.unwrap_or(text.len())]
}

/// What a character stands in.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Words,
    Escape,
    Code,
    Label,
    LabelEscape,
    Url,
}

/// Where to break a line so that what stands before has at most `length_max` units: after a word if possible.
fn cut_at(line: &str, length_max: usize) -> usize {
    let (mut last_space, mut last_safe) = (None, 0);
    let mut taken = 0;
    let mut place = Place::Words;
    for (at, c) in line.char_indices() {
        if place == Place::Words {
            last_safe = at;
            if c == ' ' {
                last_space = Some(at);
            }
        }
        taken += c.len_utf16();
        if taken > length_max {
            break;
        }
        place = match (place, c) {
            (Place::Words, '\\') => Place::Escape,
            (Place::Words, '`') => Place::Code,
            (Place::Words, '[') => Place::Label,
            (Place::Label, '\\') => Place::LabelEscape,
            (Place::Label, ']') => Place::Url,
            (Place::LabelEscape, _) => Place::Label,
            (Place::Escape, _) | (Place::Code, '`') | (Place::Url, ')') => Place::Words,
            (place, _) => place,
        };
    }
    last_space.unwrap_or(last_safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Part {
        Part::Words(vec![Line {
            prefix: String::new(),
            text: text.to_owned(),
        }])
    }

    fn laid_out(part: Part, length_max: usize) -> (String, bool) {
        lay_out(&[words("ab"), part], length_max)
    }

    #[test]
    fn a_line_is_cut_after_a_word_and_never_within_a_link_or_an_escape() {
        for (text, length_max, expected) in [
            ("one two", 11, ("ab\n\none two", true)),
            ("one two", 10, ("ab\n\none", false)),
            ("onetwo", 7, ("ab\n\none", false)),
            ("x [a b](https://e.org)", 20, ("ab\n\nx", false)),
            (
                "[a b](https://e.org) y",
                25,
                ("ab\n\n[a b](https://e.org)", false),
            ),
            ("a\\*b", 6, ("ab\n\na", false)),
            ("a`[`b c", 10, ("ab\n\na`[`b", false)),
            ("[a\\](b](https://e.org)", 20, ("ab", false)),
        ] {
            let (laid_out, fitted) = laid_out(words(text), length_max);
            assert_eq!((laid_out.as_str(), fitted), expected, "{text} {length_max}");
        }
    }

    #[test]
    fn code_is_cut_anywhere_and_its_fence_is_closed() {
        let code = || Part::Code(vec!["one".to_owned(), "two".to_owned()]);
        for (length_max, expected) in [
            (19, ("ab\n\n```\none\ntwo\n```", true)),
            (18, ("ab\n\n```\none\ntw\n```", false)),
            (16, ("ab\n\n```\none\n```", false)),
            (14, ("ab\n\n```\non\n```", false)),
            (13, ("ab", false)),
        ] {
            let (laid_out, fitted) = laid_out(code(), length_max);
            assert_eq!((laid_out.as_str(), fitted), expected, "{length_max}");
        }
    }
}
