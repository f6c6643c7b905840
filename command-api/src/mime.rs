//! A mail in its parts, told apart without a part inside a part of a part: anybody may write to the addresses that
//! mails come to, and a mail parser that follows every mail within a mail comes to as many as there are lines, each one
//! level deeper on the stack and each with a copy of what it stands in.
//!
//! Headers, encodings and character sets are read by `mail_parser`, of one part at a time. A mail within a mail stays
//! one part, which is not opened: what a report says stands beside the mail that it is about, never inside.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Address, ContentType, DateTime, Message, MessageParser, MimeHeaders as _};

/// So many parts are looked at; a report has three, and a mail with pictures some dozens.
const PARTS_MAX: usize = 200;
/// How deep lists of parts within lists of parts are followed. What lies deeper is one part.
const DEPTH_MAX: usize = 10;

/// A mail, and the parts it consists of.
pub(crate) struct Mail<'m> {
    parts: Vec<Part<'m>>,
}

impl<'m> Mail<'m> {
    /// Takes any bytes: what is no mail is one part without headers.
    pub(crate) fn parse(bytes: &'m [u8]) -> Self {
        let parser = MessageParser::default();
        let mut parts = Vec::new();
        let mut waiting = vec![(bytes, 0)];
        while let Some((bytes, depth)) = waiting.pop() {
            let part = Part::parse(&parser, bytes);
            if depth < DEPTH_MAX {
                let room = PARTS_MAX.saturating_sub(1 + parts.len() + waiting.len());
                let within = part.within(room);
                waiting.extend(within.into_iter().rev().map(|it| (it, depth + 1)));
            }
            parts.push(part);
        }
        Self { parts }
    }

    /// The mail itself: its headers are those of the whole.
    pub(crate) fn whole(&self) -> &Part<'m> {
        &self.parts[0]
    }

    /// The mail and all its parts, in the order in which they stand in it.
    pub(crate) fn parts(&self) -> &[Part<'m>] {
        &self.parts
    }
}

/// One part, or the whole mail.
pub(crate) struct Part<'m> {
    /// None: it has no header.
    head: Option<Message<'m>>,
    body: &'m [u8],
}

impl<'m> Part<'m> {
    fn parse(parser: &MessageParser, bytes: &'m [u8]) -> Self {
        let (head, body) = bytes.split_at(head_length(bytes));
        Self {
            head: parser.parse_headers(head),
            body,
        }
    }

    /// The values of all headers of this name, as they stand there.
    pub(crate) fn headers<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        let all = self.head.iter().flat_map(Message::headers_raw);
        all.filter(move |(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        self.head.as_ref()?.subject()
    }

    /// Whom it says it is from, and who sent it for them.
    pub(crate) fn senders(&self) -> impl Iterator<Item = &str> {
        let head = self.head.as_ref();
        let named = [head.and_then(Message::from), head.and_then(Message::sender)];
        let all = named.into_iter().flatten().flat_map(Address::iter);
        all.filter_map(|it| it.address())
    }

    pub(crate) fn message_id(&self) -> Option<&str> {
        self.head.as_ref()?.message_id()
    }

    pub(crate) fn date(&self) -> Option<&DateTime> {
        self.head.as_ref()?.date()
    }

    pub(crate) fn content_type(&self) -> Option<&ContentType<'_>> {
        self.head.as_ref()?.content_type()
    }

    /// Whether it is of this type and one of these subtypes.
    pub(crate) fn is(&self, kind: &str, subtypes: &[&str]) -> bool {
        self.content_type().is_some_and(|it| {
            let named = |subtype: &str| subtypes.iter().any(|it| it.eq_ignore_ascii_case(subtype));
            it.ctype().eq_ignore_ascii_case(kind) && it.subtype().is_some_and(named)
        })
    }

    /// Whether people read it: text, also where no type is named.
    pub(crate) fn is_text(&self) -> bool {
        self.content_type()
            .is_none_or(|it| it.ctype().eq_ignore_ascii_case("text"))
    }

    /// What is in it, without the encoding it travelled in. What was damaged on its way stays as it came.
    pub(crate) fn contents(&self) -> Cow<'m, [u8]> {
        let head = self.head.as_ref();
        let encoding = head.and_then(|it| it.content_transfer_encoding());
        let decoded = match encoding {
            Some(it) if it.eq_ignore_ascii_case("base64") => base64_decode(self.body),
            Some(it) if it.eq_ignore_ascii_case("quoted-printable") => {
                quoted_printable_decode(self.body)
            }
            _ => None,
        };
        decoded.map_or(Cow::Borrowed(self.body), Cow::Owned)
    }

    /// What is in it as text.
    pub(crate) fn text(&self) -> String {
        let charset = self.content_type().and_then(|it| it.attribute("charset"));
        let contents = self.contents();
        match charset.and_then(|it| charset_decoder(it.as_bytes())) {
            Some(decode) => decode(&contents),
            None => String::from_utf8_lossy(&contents).into_owned(),
        }
    }

    /// The parts of a list of parts, this many at most.
    fn within(&self, parts_max: usize) -> Vec<&'m [u8]> {
        let boundary = self
            .content_type()
            .filter(|it| it.ctype().eq_ignore_ascii_case("multipart"))
            .and_then(|it| it.attribute("boundary"));
        boundary.map_or_else(Vec::new, |it| split(self.body, it.as_bytes(), parts_max))
    }
}

/// How long the headers are, with the empty line that ends them.
fn head_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    for line in lines(bytes) {
        length += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
    }
    length
}

/// Lines, each with what ends it.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

/// What stands between the lines of a boundary (RFC 2046, section 5.1.1). The last part ends where the body does, if
/// nothing else ends it: reports are cut.
fn split<'m>(body: &'m [u8], boundary: &[u8], parts_max: usize) -> Vec<&'m [u8]> {
    let mut parts = Vec::new();
    let mut from = None;
    let mut at = 0;
    for line in lines(body) {
        let ended = line
            .strip_prefix(b"--")
            .and_then(|it| it.strip_prefix(boundary))
            .map(<[u8]>::trim_ascii_end);
        let (before, after) = (at, at + line.len());
        at = after;
        let last = match ended {
            Some(b"") => false,
            Some(rest) if rest.starts_with(b"--") => true,
            _ => continue,
        };
        // Before there was one, there was a preamble.
        parts.extend(from.map(|from: usize| without_end_of_line(&body[from..before])));
        from = (!last).then_some(after);
        if last || parts.len() >= parts_max {
            from = None;
            break;
        }
    }
    parts.extend(from.map(|from| &body[from..]));
    parts.truncate(parts_max);
    parts
}

/// The end of the line before a boundary belongs to that.
fn without_end_of_line(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

#[cfg(test)]
mod tests;
