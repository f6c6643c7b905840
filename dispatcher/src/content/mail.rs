//! A mail's two bodies: everything shared is laid out and encoded once, only the footer per reader.

use std::sync::{LazyLock, OnceLock};

use lettre::message::{
    Body, MultiPart, SinglePart,
    header::{ContentTransferEncoding, ContentType},
};
use minijinja::{Environment, Output, State, Value, context};
use tidings_domain::access::NoticeKind;

use super::{
    document::{Document, Target, excerpt},
    html, text,
};
use crate::channel::About;

mod woven;

pub use woven::Tracked;
use woven::Woven;

/// Why this reader gets the mail and how to leave: the part that differs from reader to reader.
#[derive(Clone, Copy)]
pub struct Footer<'a> {
    /// The address it goes to.
    pub reader: &'a str,
    /// Who sends it, as the reader knows them.
    pub sender: &'a str,
    /// Why they get it.
    pub why: Why,
    /// Where this reader leaves with one click.
    pub unsubscribe_url: Option<&'a str>,
    /// Where this reader says what they want to get, and when.
    pub preferences_url: Option<&'a str>,
}

/// Why somebody gets a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They are subscribed.
    Subscribed,
    /// Their address was entered to be subscribed, perhaps by somebody else.
    SignedUp,
    /// Somebody who has one of their mails asked for their data.
    AskedForData,
}

impl Why {
    /// What a message is about says why it is sent.
    pub(crate) fn of(about: About) -> Self {
        match about {
            About::Publication(_) | About::Notice(NoticeKind::PreferencesChanged) => {
                Self::Subscribed
            }
            About::Notice(NoticeKind::ConfirmSignUp) => Self::SignedUp,
            About::Notice(NoticeKind::OwnData) => Self::AskedForData,
        }
    }
}

impl Footer<'_> {
    /// One sentence.
    pub(super) fn reason(&self) -> String {
        let Self { reader, sender, .. } = self;
        match self.why {
            Why::Subscribed => {
                format!("You receive this because {reader} is subscribed to {sender}.")
            }
            Why::SignedUp => {
                format!("You receive this because {reader} was signed up at {sender}.")
            }
            Why::AskedForData => {
                "You receive this because somebody with a link from one of your mails asked for your data."
                    .to_owned()
            }
        }
    }
}

/// The HTML and the text body of a mail, open where the footer goes.
pub struct MailBody {
    html: Split,
    /// The HTML with its links apart; made when the first reader's are tracked.
    woven: OnceLock<Woven>,
    text: Split,
}

/// Text around a place where whole lines are put in, as it reads and quoted-printable.
struct Split {
    before: String,
    after: String,
    before_encoded: Vec<u8>,
    after_encoded: Vec<u8>,
}

/// Stands on its own line in `mail.html`. Content cannot hold it: its `<` would be escaped.
const FOOTER_LINE: &str = "<!-- footer -->\n";

/// What mail programs show beside the subject.
const PREHEADER_LENGTH_MAX: usize = 120;

static LAYOUTS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut layouts = Environment::new();
    layouts.set_formatter(write_escaped);
    for (name, source) in [
        ("mail", include_str!("mail.html")),
        ("footer", include_str!("footer.html")),
    ] {
        layouts
            .add_template(name, source)
            .expect("the layouts are part of the program and parse");
    }
    layouts
});

impl MailBody {
    pub(super) fn new(title: &str, document: &Document, url: Option<&Target>) -> Self {
        let page = fill(
            "mail",
            &context! {
                title => title,
                preheader => excerpt(document, PREHEADER_LENGTH_MAX),
                url => url.map(Target::as_str),
                article => Value::from_safe_string(html::article(document)),
            },
        );
        let (before, after) = page
            .split_once(FOOTER_LINE)
            .expect("mail.html has a footer line");
        Self {
            html: Split::new(before, after),
            woven: OnceLock::new(),
            text: Split::new(&text::letter(title, document, url), ""),
        }
    }

    /// The HTML body as it reads.
    pub fn html(&self, footer: Option<&Footer<'_>>) -> String {
        self.html.join(&html_footer(footer, None))
    }

    /// The text body as it reads; lines end with `\n`.
    pub fn text(&self, footer: Option<&Footer<'_>>) -> String {
        self.text.join(&text_footer(footer))
    }

    /// Both bodies as one MIME part, quoted-printable. `key` makes the boundary: letters, digits
    /// and dashes. Neither body can hold it: in quoted-printable no `=_` ever appears. `tracked`: what tells that the HTML was opened,
    /// and its links followed; the text body tells nothing.
    pub fn alternative(
        &self,
        footer: Option<&Footer<'_>>,
        tracked: Option<&Tracked<'_>>,
        key: &str,
    ) -> MultiPart {
        let html = match tracked {
            None => self.html.join_encoded(html_footer(footer, None)),
            Some(tracked) => {
                let footer = html_footer(footer, tracked.picture_url.as_deref());
                self.woven().join_encoded(footer, tracked)
            }
        };
        MultiPart::alternative()
            .boundary(format!("=_{key}"))
            .singlepart(part(
                ContentType::TEXT_PLAIN,
                self.text.join_encoded(text_footer(footer)),
            ))
            .singlepart(part(ContentType::TEXT_HTML, html))
    }

    fn woven(&self) -> &Woven {
        let Split { before, after, .. } = &self.html;
        self.woven.get_or_init(|| Woven::new(before, after))
    }
}

fn part(kind: ContentType, body: Body) -> SinglePart {
    SinglePart::builder().header(kind).body(body)
}

impl Split {
    fn new(before: &str, after: &str) -> Self {
        Self {
            before: before.to_owned(),
            after: after.to_owned(),
            before_encoded: quoted_printable(before.to_owned()),
            after_encoded: quoted_printable(after.to_owned()),
        }
    }

    fn join(&self, middle: &str) -> String {
        [&self.before, middle, &self.after].concat()
    }

    // Quoted-printable works line by line, and all three parts are whole lines.
    fn join_encoded(&self, middle: String) -> Body {
        let middle = quoted_printable(middle);
        let joined = [&self.before_encoded, &middle, &self.after_encoded].map(Vec::as_slice);
        encoded(joined.concat())
    }
}

/// What is quoted-printable already.
fn encoded(bytes: Vec<u8>) -> Body {
    Body::dangerous_pre_encoded(bytes, ContentTransferEncoding::QuotedPrintable)
}

/// `picture_url`: what tells that the mail was opened.
fn html_footer(footer: Option<&Footer<'_>>, picture_url: Option<&str>) -> String {
    footer.map_or_else(String::new, |footer| {
        fill(
            "footer",
            &context! {
                reason => footer.reason(),
                unsubscribe_url => footer.unsubscribe_url,
                preferences_url => footer.preferences_url,
                picture_url => picture_url,
            },
        )
    })
}

fn text_footer(footer: Option<&Footer<'_>>) -> String {
    footer.map_or_else(String::new, |footer| text::footer(footer))
}

/// Fills a layout; what comes out are whole lines.
fn fill(layout: &str, values: &Value) -> String {
    let mut text = LAYOUTS
        .get_template(layout)
        .and_then(|template| template.render(values))
        .expect("the layouts only use the values they are given");
    // The template language drops the last line end.
    text.push('\n');
    text
}

fn quoted_printable(text: String) -> Vec<u8> {
    Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
        .map_or_else(|unencoded| unencoded, Body::into_vec)
}

// minijinja's own escaping also rewrites `/`, which makes every link unreadable in the source.
fn write_escaped(
    out: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let text = value.to_string();
    let mut escaped = String::with_capacity(text.len());
    if value.is_safe() {
        escaped = text;
    } else {
        html::escape(&text, &mut escaped);
    }
    out.write_str(&escaped).map_err(minijinja::Error::from)
}
