//! An SMTP reply: three digits and a text, on one line.

use std::borrow::Cow;

/// One reply line, without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) text: Cow<'static, str>,
}

impl Reply {
    pub(super) const fn new(code: u16, text: &'static str) -> Self {
        Self {
            code,
            text: Cow::Borrowed(text),
        }
    }

    pub(super) fn with(code: u16, text: String) -> Self {
        Self {
            code,
            text: Cow::Owned(text),
        }
    }

    pub(super) fn write_to(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(self.code.to_string().as_bytes());
        output.push(b' ');
        output.extend_from_slice(self.text.as_bytes());
        output.extend_from_slice(b"\r\n");
    }
}
