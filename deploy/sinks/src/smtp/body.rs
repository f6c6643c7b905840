//! The bytes between 354 and the final dot: where they end, what they mean, whether they are well formed.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem};

/// Longest line of a message, CRLF included (RFC 5321 section 4.5.3.1.6).
const LINE_BYTES_MAX: usize = 1_000;

/// The final dot and its line end, which follow the CRLF of the last line.
pub(super) const DOT: &[u8] = b".\r\n";

/// Length of the content, last CRLF included, if its end is in `input`. `from` = how much of
/// `input` has been searched before; `first` = `input` begins where the content begins.
/// Only CRLF . CRLF ends a message: a server that takes a bare LF for a line end can be smuggled into.
pub(super) fn content_len(input: &[u8], from: usize, first: bool) -> Option<usize> {
    if first && input.starts_with(DOT) {
        return Some(0);
    }
    // The end may straddle what came before and what came now.
    let from = from.saturating_sub(4);
    memmem::find(&input[from..], b"\r\n.\r\n").map(|at| from + at + 2)
}

/// The content with the dot taken off each line that begins with one.
pub(super) fn unstuff(content: &[u8]) -> Cow<'_, [u8]> {
    let first = content.first() == Some(&b'.');
    if !first && memmem::find(content, b"\r\n.").is_none() {
        return Cow::Borrowed(content);
    }
    let mut plain = Vec::with_capacity(content.len());
    let mut rest = if first { &content[1..] } else { content };
    while let Some(at) = memmem::find(rest, b"\r\n.") {
        plain.extend_from_slice(&rest[..at + 2]);
        rest = &rest[at + 3..];
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// Why a message's lines are not as the standard wants them, if they are not.
pub(super) fn line_fault(message: &[u8]) -> Option<&'static str> {
    let mut start = 0;
    let mut lines = 0;
    for end in memchr_iter(b'\n', message) {
        if end == 0 || message[end - 1] != b'\r' {
            return Some("5.6.0 bare LF in message");
        }
        if end + 1 - start > LINE_BYTES_MAX {
            return Some("5.6.0 line longer than 1000 bytes");
        }
        start = end + 1;
        lines += 1;
    }
    (memchr_iter(b'\r', message).count() != lines).then_some("5.6.0 bare CR in message")
}

/// The header block of a message, line ends included, without the blank line after it.
pub(super) fn headers(message: &[u8]) -> &[u8] {
    if message.starts_with(b"\r\n") {
        return &[];
    }
    memmem::find(message, b"\r\n\r\n").map_or(message, |end| &message[..end + 2])
}

/// The values of every header called `name`, unfolded and trimmed, in order.
pub(super) fn values_of<'h>(headers: &'h [u8], name: &str) -> impl Iterator<Item = String> + 'h {
    let name = name.as_bytes().to_ascii_lowercase();
    let mut rest = headers;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (field, after) = rest.split_at(field_len(rest));
            rest = after;
            let is_it = field.split_at_checked(name.len()).filter(|(start, after)| {
                start.eq_ignore_ascii_case(&name) && after.first() == Some(&b':')
            });
            if let Some((_, value)) = is_it {
                let value = String::from_utf8_lossy(&value[1..]);
                return Some(value.replace("\r\n", "").trim().to_owned());
            }
        }
        None
    })
}

/// Length of the first field, its folded lines included.
fn field_len(headers: &[u8]) -> usize {
    let mut end = 0;
    loop {
        end += memchr(b'\n', &headers[end..]).map_or(headers.len() - end, |at| at + 1);
        if !matches!(headers.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a sender does with a message's dots.
    fn stuff(message: &str) -> String {
        message
            .split_inclusive("\r\n")
            .map(|line| {
                if line.starts_with('.') {
                    format!(".{line}")
                } else {
                    line.to_owned()
                }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn any_message_comes_back_however_it_is_cut(
            lines in proptest::collection::vec("[.ab]{0,4}", 0..6),
            step in 1usize..9,
        ) {
            let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let wire = format!("{}.\r\nQUIT\r\n", stuff(&message)).into_bytes();
            let mut searched = 0;
            let mut have = 0;
            let end = loop {
                have = (have + step).min(wire.len());
                if let Some(end) = content_len(&wire[..have], searched, true) {
                    break end;
                }
                prop_assert!(have < wire.len(), "the end was not found");
                searched = have;
            };
            prop_assert_eq!(&wire[end..end + 3], DOT);
            let plain = unstuff(&wire[..end]);
            prop_assert_eq!(plain.as_ref(), message.as_bytes());
        }
    }

    #[test]
    fn only_crlf_dot_crlf_ends_a_message() {
        for wire in ["a\n.\r\n", "a\r\n.\n", "a\n.\n", "a\r.\r\n", "a.\r\n"] {
            assert_eq!(content_len(wire.as_bytes(), 0, true), None, "{wire:?}");
        }
        assert_eq!(content_len(b".\r\n", 0, false), None);
    }

    #[test]
    fn lines_are_short_and_end_with_crlf() {
        let line = |n: usize| format!("{}\r\n", "x".repeat(n)).into_bytes();
        assert_eq!(line_fault(&line(998)), None);
        assert!(line_fault(&line(999)).is_some());
        assert_eq!(
            line_fault(b"a\r\nb\nc\r\n"),
            Some("5.6.0 bare LF in message")
        );
        assert_eq!(line_fault(b"a\rb\r\n"), Some("5.6.0 bare CR in message"));
        assert_eq!(line_fault(b""), None);
    }

    #[test]
    fn headers_are_found_in_any_case_and_unfolded() {
        let message =
            b"From: a\r\nmessage-ID:\r\n <1@x>\r\nTo: b,\r\n\tc\r\nto: d\r\n\r\nTo: body\r\n";
        let headers = headers(message);
        let values = |name| values_of(headers, name).collect::<Vec<_>>();
        assert_eq!(values("Message-ID"), ["<1@x>"]);
        assert_eq!(values("To"), ["b,\tc", "d"]);
        assert!(values("Subject").is_empty());
        assert!(super::headers(b"\r\nTo: body\r\n").is_empty());
        assert_eq!(super::headers(b"To: a\r\n"), b"To: a\r\n");
    }
}
