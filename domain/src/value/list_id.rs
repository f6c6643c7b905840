//! What a list is called in the header `List-Id` (RFC 2919).

use super::Invalid;

/// `Name <news.example.org>` or `<news.example.org>`, in printable ASCII: it stands in a header as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListId(String);

impl ListId {
    /// Header lines hold 998 characters.
    const CHARS_MAX: usize = 800;

    /// Takes either form; the brackets may be left out where there is no name.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (name, id) = match text.split_once('<') {
            Some((name, rest)) => (name.trim(), rest.strip_suffix('>').unwrap_or_default()),
            None => ("", text.trim()),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name_plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let short = text.len() <= Self::CHARS_MAX;
        if short && id.contains('.') && id.chars().all(plain) && name_plain {
            return Ok(Self(format!("{name} <{id}>").trim_start().to_owned()));
        }
        Err(Invalid::new(
            "must look like `News <news.example.org>`, in ASCII",
        ))
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// As it stands in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ListId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_optional() {
        let shown = |text: &str| ListId::parse(text).map(|it| it.to_string()).ok();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown("news.example.org"), some("<news.example.org>"));
        assert_eq!(
            shown("News <news.example.org>"),
            some("News <news.example.org>")
        );
        for bad in [
            "",
            "news",
            "News <news>",
            "Neü <n.example.org>",
            "A\r\nB: <n.example.org>",
            "N <n.example.org",
        ] {
            assert_eq!(shown(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(name in "[ -~]{0,10}", id in "[a-z._-]{1,12}") {
            if let Ok(list) = ListId::parse(&format!("{name}<{id}>")) {
                prop_assert_eq!(ListId::parse(&list.to_string()), Ok(list));
            }
        }
    }
}
