//! A page as newsletters are made, in all forms; pieces of pages; and what must hold for any page at all.

use proptest::prelude::*;
use serde_json::Value;

use crate::content::{
    Composed, commonmark, discord,
    document::Document,
    mail::{Footer, Why},
    markdown, slack, text, webhook,
};

const FOOTER: Footer<'static> = Footer {
    reader: "ada@example.org",
    sender: "The Daily Tide",
    why: Why::Subscribed,
    unsubscribe_url: Some("https://news.example.org/u/TOKEN"),
    preferences_url: Some("https://news.example.org/p/TOKEN"),
};

fn sample() -> Composed {
    Composed::from_html("Harbour bridge reopens", include_str!("sample.html"))
}

#[test]
fn the_page_as_html() {
    insta::assert_snapshot!(sample().mail().html(Some(&FOOTER)));
}

#[test]
fn the_page_as_text() {
    insta::assert_snapshot!(sample().mail().text(Some(&FOOTER)));
}

#[test]
fn the_page_as_slack_blocks() {
    insta::assert_snapshot!(sample().slack().replace("{\"type\"", "\n{\"type\""));
}

#[test]
fn the_page_as_discord_embed() {
    let message: Value = serde_json::from_str(sample().discord()).unwrap();
    let embed = &message["embeds"][0];
    let description = embed["description"].as_str().unwrap();
    insta::assert_snapshot!(format!(
        "{}\n\n{description}\n\n{}",
        embed["title"], embed["image"]
    ));
}

#[test]
fn the_page_as_webhook_markdown() {
    let article = serde_json::to_value(sample().webhook()).unwrap();
    insta::assert_snapshot!(article["markdown"].as_str().unwrap());
}

/// The page as a letter, without its heading.
fn letter(html: &str) -> String {
    letter_of(&super::parse(html))
}

fn letter_of(document: &Document) -> String {
    let letter = text::letter("t", document, None);
    letter
        .strip_prefix("t\n=\n\n")
        .unwrap()
        .trim_end()
        .to_owned()
}

/// Pieces of pages, and the letters they make.
const PIECES: &[(&str, &str)] = &[
    ("a <b>b</b> c", "a *b* c"),
    ("a<b> b </b>c", "a* b *c"),
    ("<p>a<p>b<div>c</div>d", "a\n\nb\n\nc\n\nd"),
    ("<p>  a \n\t b  </p>", "a b"),
    ("a<br>b<br/>\n<br>c<br>", "a\nb\n\nc"),
    ("<b>a<p>b</b>c", "*a*\n\n*b*c"),
    ("<b><b>a</b>b</b>c</b></i>", "*ab*c"),
    (
        "a&nbsp;b&amp;lt;&lt;&#x1F6A2;&#0;&bogus;",
        "a b&lt;<🚢\u{fffd}&bogus;",
    ),
    ("<p>&nbsp;</p><p>a", "a"),
    ("<h2>a<h3>b</h3>c", "a\n-\n\nb\n\nc"),
    (
        "<ul><li>a<li>b<ul><li>c</ul>d</ul>e",
        "- a\n\n- b\n\n  - c\n\n  d\n\ne",
    ),
    ("<li>a</li><li>b</li>", "- a\n- b"),
    ("<ol start=4><li>a<li>b</ol>", "4. a\n5. b"),
    (
        "<blockquote>a<blockquote>b</blockquote></blockquote>",
        "> a\n>\n> > b",
    ),
    ("</p></ul></td></table></div>a</b>", "a"),
    ("<td>a</td><tr>b", "a\n\nb"),
    ("<table><tr><td>a<ul><li>b</table>c", "a\n\n- b\n\nc"),
    ("<table>a<tr>b<td>c</table>", "a\n\nb\n\nc"),
    (
        "<table><tr><td><b>a<td>b<tr><td>c<td>d</table>e",
        "a  b\nc  d\n\ne",
    ),
    (
        "<pre>\na\n\tb &lt; <b>c</b>\n</pre>d",
        "    a\n        b < c\n\nd",
    ),
    (
        "<title>a</title><script>b</script><style>c</style>d<textarea><p>e</textarea>f",
        "df",
    ),
    ("<head><title>a</title><style>b</style><body>c", "c"),
    (
        "<div hidden>a<div>b</div>c</div>d<p style='DISPLAY : none'>e</p>f<img style=display:none src=https://e.org/x alt=g>h",
        "dfh",
    ),
    (
        "<a href=https://e.org/>a</a> <a href=//e.org>b</a><a>c</a>",
        "a [1] bc\n\n[1] https://e.org/",
    ),
    (
        "<a href=https://e.org/><div>a</div></a><a href=https://e.org/>b",
        "a [1]\n\nb [1]\n\n[1] https://e.org/",
    ),
    (
        "a <img alt='b c' src=cid:1> <img src='https://e.org/d.png' alt=d>",
        "a b c [Image: d] [1]\n\n[1] https://e.org/d.png",
    ),
    ("a <unknown x=1>b</unknown><!-- c --><![CDATA[d]]>", "a b"),
    ("a<svg/>b<p hidden>c<p>d", "ab\n\nd"),
    ("a < b <3 & c", "a < b <3 & c"),
];

#[test]
fn pieces_are_read_as_a_browser_shows_them() {
    let mut wrong = Vec::new();
    for (html, expected) in PIECES {
        let found = letter(html);
        if found != *expected {
            wrong.push(format!("{html}\n{found:?} and not\n{expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn nesting_without_end_keeps_its_words() {
    for tag in [
        "div",
        "b",
        "blockquote",
        "ul><li",
        "table><tr><td",
        "table",
        "td",
        "a href=https://e.org",
    ] {
        let html = format!("{}end", format!("<{tag}>").repeat(8_000));
        let composed = Composed::from_html("t", &html);
        assert!(composed.mail().text(None).contains("end"), "{tag}");
        assert!(composed.mail().html(None).contains("end"), "{tag}");
        assert!(composed.slack().contains("end"), "{tag}");
        assert!(
            serde_json::to_string(composed.webhook())
                .unwrap()
                .contains("end"),
            "{tag}"
        );
    }
}

#[test]
fn a_first_heading_that_repeats_the_title_is_shown_once() {
    let blocks = |html| Composed::from_html("Tide", html).document().blocks.len();
    assert_eq!(
        blocks("<title>Tide</title><table><tr><td><h1> Tide </h1>text</table>"),
        1
    );
    assert_eq!(blocks("<h1>Ebb</h1>text"), 2);
}

/// Markup-heavy pages: far more likely than noise to reach the corners.
fn page() -> impl Strategy<Value = String> {
    let name = "(p|div|b|i|s|code|a|h[1-6]|ul|ol|li|blockquote|table|tr|td|th|pre|br|hr|script|style|img|svg|title)";
    let piece = prop_oneof![
        4 => name.prop_map(|name| format!("<{name}>")),
        3 => name.prop_map(|name| format!("</{name}>")),
        2 => "[a-z &<>\"'|*_~`\\[\\]()!#.+=0-9\\\\-]{0,24}",
        1 => "\\PC{0,12}",
        1 => Just("<a href=\"javascript:alert(1)\" onclick=x>y</a>".to_owned()),
        1 => Just("<a href='&#106;avascript:alert(1)'>".to_owned()),
        1 => Just("<img src=\"https://e.org/i.png?a=1&b='2'\" alt='a\"b>' onerror=x>".to_owned()),
        1 => Just("<a href='https://e.org/<b>|c(d)'>".to_owned()),
        1 => Just("<p style=\"display:none\">".to_owned()),
        1 => Just(format!("{} ", "w&".repeat(1_700))),
    ];
    prop::collection::vec(piece, 0..32).prop_map(|pieces| pieces.concat())
}

fn length(value: &Value) -> usize {
    value.as_str().unwrap().encode_utf16().count()
}

proptest! {
    #[test]
    fn no_page_makes_html_run_anything(title in "\\PC{0,40}", html in page()) {
        let composed = Composed::from_html(&title, &html);
        let article = serde_json::to_value(composed.webhook()).unwrap();
        for html in [composed.mail().html(Some(&FOOTER)), article["html"].as_str().unwrap().to_owned()] {
            prop_assert!(!html.chars().any(|c| c.is_control() && c != '\n'));
            for tag in html.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag) {
                let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or_default();
                prop_assert!(!["script", "iframe", "object", "svg", "form"].contains(&name), "{}", tag);
                // Only what we write ourselves has attributes; a quote in a value is escaped.
                for (at, part) in tag.split('"').enumerate() {
                    let attribute = part.trim().trim_end_matches('=');
                    prop_assert!(at % 2 == 1 || !attribute.starts_with("on"), "{}", tag);
                    prop_assert!(at % 2 == 0 || !part.trim().to_ascii_lowercase().starts_with("javascript:"), "{}", tag);
                }
            }
        }
    }

    #[test]
    fn no_page_makes_a_message_exceed_its_limits(title in "\\PC{0,400}", html in page()) {
        let composed = Composed::from_html(&title, &html);
        let message: Value = serde_json::from_str(composed.slack()).unwrap();
        prop_assert!((1..=40_000).contains(&length(&message["text"])));
        let blocks = message["blocks"].as_array().unwrap();
        prop_assert!(blocks.len() <= slack::BLOCKS_MAX);
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "header" => prop_assert!((1..=150).contains(&length(&block["text"]["text"]))),
                "section" => prop_assert!((1..=3_000).contains(&length(&block["text"]["text"])), "{}", block),
                "image" => prop_assert!((1..=2_000).contains(&length(&block["alt_text"]))),
                _ => {}
            }
        }
        prop_assert!(!composed.slack().contains("javascript:alert(1)|"));
        let message: Value = serde_json::from_str(composed.discord()).unwrap();
        let embed = &message["embeds"][0];
        prop_assert!((1..=discord::TITLE_LENGTH_MAX).contains(&length(&embed["title"])));
        let description = embed["description"].as_str().unwrap_or_default();
        prop_assert!(description.encode_utf16().count() <= discord::DESCRIPTION_LENGTH_MAX);
        prop_assert_eq!(description.matches("```").count() % 2, 0);
        prop_assert!(serde_json::to_vec(composed.webhook()).unwrap().len() <= webhook::ARTICLE_BYTES_MAX);
    }

    #[test]
    fn any_page_renders(title in any::<String>(), html in any::<String>()) {
        let composed = Composed::from_html(&title, &html);
        prop_assert!(!composed.mail().html(None).is_empty());
        prop_assert!(!composed.mail().text(None).is_empty());
        prop_assert!(!composed.slack().is_empty() && !composed.discord().is_empty());
        prop_assert!(serde_json::to_vec(composed.webhook()).unwrap().len() <= webhook::ARTICLE_BYTES_MAX);
    }

    #[test]
    fn as_markdown_words_mean_nothing_but_themselves(words in "[a-z &<>\"'|*_~`\\[\\]()!#.+=0-9\\\\-]{1,40}") {
        let mut escaped = String::new();
        crate::content::html::escape(&words, &mut escaped);
        let document = super::parse(&format!("<p>{escaped}</p><ul><li>{escaped}</ul>"));
        let again = markdown::parse(&commonmark::source(&document));
        prop_assert_eq!(letter_of(&again), letter_of(&document));
    }
}

#[test]
fn as_markdown_a_page_says_the_same() {
    let document = sample();
    let again = markdown::parse(&commonmark::source(document.document()));
    assert_eq!(letter_of(&again), letter_of(document.document()));
}

#[test]
fn a_short_page_does_not_become_a_huge_table() {
    let page = |rows: usize| {
        let wide = "<td>x".repeat(200);
        format!("<table><tr>{wide}{}</table>", "<tr><td>y".repeat(rows))
    };
    let is_table = |html: &str| markdown_of(html).contains("---");
    assert!(is_table(&page(20)));
    assert!(!is_table(&page(200)));
}

fn markdown_of(html: &str) -> String {
    let article = serde_json::to_value(Composed::from_html("t", html).webhook()).unwrap();
    article["markdown"].as_str().unwrap().to_owned()
}
