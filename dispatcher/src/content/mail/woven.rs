//! HTML whose links lead by way of the platform, which takes note of it: all but the links is encoded once.

use lettre::message::Body;

use super::{encoded, html, quoted_printable};

/// Where the marks of one reader's mail lead.
pub struct Tracked<'a> {
    /// The picture that is fetched when the mail is opened; none: that is not asked.
    pub picture_url: Option<String>,
    /// Where a link leads instead, given the web address that it leads to in the end.
    pub click_url: Box<dyn Fn(&str) -> String + 'a>,
}

/// A page in parts, each of whole lines.
pub(super) struct Woven {
    parts: Vec<Part>,
}

enum Part {
    /// The same for everybody, quoted-printable.
    Same(Vec<u8>),
    /// A `href` of an element that has begun, for this web address.
    Link(String),
    /// Where the footer goes.
    Footer,
}

/// How a link begins in all that is rendered here; nothing written can hold it: its `<` would be escaped.
const LINK: &str = "<a href=\"";

impl Woven {
    /// Of a page's lines before and after the footer.
    pub(super) fn new(before: &str, after: &str) -> Self {
        let mut parts = Vec::new();
        weave(before, &mut parts);
        parts.push(Part::Footer);
        weave(after, &mut parts);
        Self { parts }
    }

    /// The page of one reader.
    pub(super) fn join_encoded(&self, footer: String, tracked: &Tracked<'_>) -> Body {
        let mut page = Vec::new();
        let mut footer = Some(footer);
        for part in &self.parts {
            match part {
                Part::Same(lines) => page.extend_from_slice(lines),
                Part::Link(url) => {
                    let mut line = "href=\"".to_owned();
                    html::escape(&(tracked.click_url)(url), &mut line);
                    line.push_str("\"\n");
                    page.extend(quoted_printable(line));
                }
                Part::Footer => page.extend(quoted_printable(footer.take().unwrap_or_default())),
            }
        }
        encoded(page)
    }
}

/// Takes the links to the web apart; those to a mailbox stay as they are.
fn weave(page: &str, parts: &mut Vec<Part>) {
    let mut same = String::new();
    let mut rest = page;
    while let Some((before, link)) = rest.split_once(LINK) {
        let (href, after) = link.split_once('"').expect("a quote ends what one began");
        same.push_str(before);
        if href.starts_with("http") {
            same.push_str("<a\n");
            parts.push(Part::Same(quoted_printable(std::mem::take(&mut same))));
            parts.push(Part::Link(html::unescape(href)));
        } else {
            same.extend([LINK, href, "\""]);
        }
        rest = after;
    }
    same.push_str(rest);
    parts.push(Part::Same(quoted_printable(same)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::Composed;

    /// The HTML of a mail whose links lead where they led before, apart from where its lines end within an element.
    fn followed(content: &Composed) -> String {
        let tracked = Tracked {
            picture_url: None,
            click_url: Box::new(str::to_owned),
        };
        let body = content.mail().woven().join_encoded(String::new(), &tracked);
        let text = decoded(&body.into_vec());
        text.replace("<a\nhref=", "<a href=")
            .replace("\"\n class=", "\" class=")
    }

    fn decoded(quoted_printable: &[u8]) -> String {
        let text = String::from_utf8(quoted_printable.to_vec()).unwrap();
        let text = text.replace("=\r\n", "").replace("\r\n", "\n");
        let mut bytes = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('=') {
            bytes.extend_from_slice(before.as_bytes());
            bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
            rest = &after[2..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn links_to_the_web_are_followed_and_those_to_a_mailbox_are_not() {
        let markdown = "[a](https://e.org/?x=1&y=\"2\") [b](mailto:a@e.org) <https://e.org/b> ![c](https://e.org/c.png)";
        let content = Composed::new("Links", markdown);
        let tracked = Tracked {
            picture_url: None,
            click_url: Box::new(|url| format!("https://t.example/<{url}>")),
        };
        let body = content.mail().woven().join_encoded(String::new(), &tracked);
        let html = decoded(&body.into_vec());
        let hrefs: Vec<&str> = html
            .lines()
            .filter(|line| line.starts_with("href="))
            .collect();
        assert_eq!(
            hrefs,
            [
                "href=\"https://t.example/&lt;https://e.org/?x=1&amp;y=%222%22&gt;\"",
                "href=\"https://t.example/&lt;https://e.org/b&gt;\"",
            ]
        );
        assert!(html.contains("<a href=\"mailto:a@e.org\""));
        assert!(html.contains("src=\"https://e.org/c.png\""));
    }

    proptest! {
        #[test]
        fn nothing_else_is_changed(title in ".{0,40}", markdown in "([a-z<>&\"'=\n \\[\\]()é]|https://e\\.org/|\\[x\\]\\(https://e\\.org/y\\)){0,200}") {
            let content = Composed::new(&title, &markdown);
            prop_assert_eq!(followed(&content), content.mail().html(None));
        }
    }
}
