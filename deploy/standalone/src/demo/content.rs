//! The sample readers and articles of `deploy/demo`.

/// 2,000 readers, and some lines with mistakes.
pub(super) const READERS: &str = include_str!("../../../demo/subscribers.csv");

const SOURCES: [(&str, &str); 3] = [
    ("library", include_str!("../../../demo/1-library.md")),
    ("ferry", include_str!("../../../demo/2-ferry.md")),
    (
        "repair-cafe",
        include_str!("../../../demo/3-repair-cafe.md"),
    ),
];

/// An article: what an editor hands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Article {
    /// Tells it from the others for ever: part of its idempotency keys.
    pub(super) name: &'static str,
    /// Its first heading.
    pub(super) title: &'static str,
    /// Everything below.
    pub(super) markdown: &'static str,
}

/// The articles, in the order they are published.
pub(super) fn articles() -> [Article; 3] {
    SOURCES.map(|(name, text)| {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        Article {
            name,
            title: first.trim_start_matches('#').trim(),
            markdown: rest.trim(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_article_has_everything_a_renderer_must_cope_with() {
        for article in articles() {
            let has =
                |part: &str| assert!(article.markdown.contains(part), "{}: {part}", article.name);
            assert!((10..80).contains(&article.title.len()), "{}", article.title);
            for part in ["\n## ", "](https://", "\n> ", "![", "\n| ", "**"] {
                has(part);
            }
        }
    }

    #[test]
    fn the_readers_are_two_thousand_at_reserved_domains() {
        let mut addresses = HashSet::new();
        let mut others = 0;
        for line in READERS.lines().skip(1) {
            let address = line.split(',').next().unwrap_or_default();
            let domain = address.split_once('@').map(|(_, domain)| domain);
            let reserved = ["example.org", "example.com", "example.net"];
            if domain.is_some_and(|domain| reserved.contains(&domain))
                && addresses.insert(address.to_lowercase())
            {
                continue;
            }
            others += 1;
        }
        // Two of the mistakes lie behind the address: a missing field, an open quote.
        assert_eq!((addresses.len(), others), (2_000 + 3, 3));
    }
}
