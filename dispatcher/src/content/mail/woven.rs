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
