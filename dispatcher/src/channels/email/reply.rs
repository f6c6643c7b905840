//! An SMTP reply, parsed (RFC 5321, 4.2; enhanced codes: RFC 3463).

use crate::channel::one_line;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The text of each line, without the code.
    pub(super) lines: Vec<String>,
}

/// One line of a reply.
pub(super) struct ReplyLine<'a> {
    pub(super) code: u16,
    pub(super) last: bool,
    pub(super) text: &'a str,
}

impl<'a> ReplyLine<'a> {
    /// Parses a line without its line end: `250 text`, `250-text` or `250`.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (digits, rest) = line.split_at_checked(3)?;
        let code = digits
            .parse()
            .ok()
            .filter(|code| (200..600).contains(code))?;
        let (last, text) = match rest.as_bytes().first() {
            None => (true, ""),
            Some(b' ') => (true, &rest[1..]),
            Some(b'-') => (false, &rest[1..]),
            Some(_) => return None,
        };
        // `+25` parses as a number too.
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then_some(Self { code, last, text })
    }
}

impl Reply {
    /// The reply as one printable line, code included.
    pub(super) fn words(&self) -> String {
        one_line(&format!("{} {}", self.code, self.lines.join(" ")))
    }

    /// The enhanced status code, such as (5, 1, 1).
    pub(super) fn enhanced(&self) -> Option<(u16, u16, u16)> {
        let word = self.lines.first()?.split_whitespace().next()?;
        let mut numbers = word.splitn(3, '.').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some((next()?, next()?, next()?)).filter(|(class, ..)| matches!(class, 2 | 4 | 5))
    }
}
