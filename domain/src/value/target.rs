//! Where a link leads, or a picture lies.

use std::sync::Arc;

use url::Url;

/// A link target that is safe to offer: an absolute http, https or mailto URL of printable ASCII. Cheap to clone: a page may
/// lead everywhere it goes on to the same place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target(Arc<str>);

impl Target {
    /// Longest target, in characters; Slack takes 3,000 for a whole section.
    pub const LENGTH_MAX: usize = 2_000;

    /// Accepts a target for a link.
    pub fn link(text: &str) -> Option<Self> {
        Self::parse(text, &["http", "https", "mailto"])
    }

    /// Accepts a target for an image.
    pub fn image(text: &str) -> Option<Self> {
        Self::parse(text, &["http", "https"])
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How the URL is shown to a reader: without the `mailto:`.
    pub fn shown(&self) -> &str {
        self.0.strip_prefix("mailto:").unwrap_or(&self.0)
    }

    fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        let printable = url.as_str().bytes().all(|byte| matches!(byte, b'!'..=b'~'));
        let fits = url.as_str().len() <= Self::LENGTH_MAX;
        (printable && fits && schemes.contains(&url.scheme())).then(|| Self(url.as_str().into()))
    }
}
