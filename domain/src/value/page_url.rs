//! Where something can be read on the web.

use url::Url;

use super::{Invalid, Target};

/// An absolute http or https URL of printable ASCII, at most [`Self::LENGTH_MAX`] characters, that holds no user name or
/// password: it is shown to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUrl(String);

impl PageUrl {
    /// The most characters one may have, once other than ASCII ones are encoded.
    pub const LENGTH_MAX: usize = Target::LENGTH_MAX;

    /// Takes a web address; white space around it is cut, and what is not ASCII is encoded.
    ///
    /// # Errors
    /// [`Invalid`] when it is not absolute, not http(s), too long, or holds credentials.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let Some(target) = Target::image(text) else {
            return Err(Invalid::new(format!(
                "it is no whole web address: it begins with https:// or http://, such as https://example.org/news, and has at \
                 most {} characters",
                Self::LENGTH_MAX
            )));
        };
        let bare = |url: Url| url.username().is_empty() && url.password().is_none();
        if !Url::parse(target.as_str()).is_ok_and(bare) {
            return Err(Invalid::new(
                "it holds a user name or a password, which everybody would see; leave them out",
            ));
        }
        Ok(Self(target.as_str().to_owned()))
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_whole_web_addresses_without_credentials_are_taken() {
        for (text, taken) in [
            (" https://example.org/news ", "https://example.org/news"),
            ("http://example.org", "http://example.org/"),
            ("https://example.org/é", "https://example.org/%C3%A9"),
        ] {
            assert_eq!(PageUrl::parse(text).unwrap().as_str(), taken);
        }
        let long = format!("https://example.org/{}", "a".repeat(PageUrl::LENGTH_MAX));
        for bad in [
            "",
            "example.org/news",
            "/news",
            "mailto:ada@example.org",
            "javascript:alert(1)",
            "https://",
            "https://ada@example.org/",
            "https://:secret@example.org/",
            &long,
        ] {
            assert!(PageUrl::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in "https?://[a-z.]{1,9}/\\PC{0,30}") {
            if let Ok(url) = PageUrl::parse(&text) {
                prop_assert_eq!(PageUrl::parse(url.as_str()), Ok(url.clone()));
            }
        }
    }
}
