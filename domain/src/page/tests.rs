//! Pieces of pages, and what is shown of them.

use proptest::prelude::*;

use super::{Piece, shown, shows_anything};

/// The words that are shown.
fn words(html: &str) -> String {
    shown(html)
        .filter_map(|piece| match piece {
            Piece::Words(text) => Some(text),
            Piece::Start(_) | Piece::End(_) => None,
        })
        .collect()
}

/// Pages, and the words of theirs that a browser shows.
const PAGES: &[(&str, &str)] = &[
    ("<svg/>a", "a"),
    ("<math/>a<svg />b", "ab"),
    ("<svg><g/><svg/>a</svg>b", "b"),
    ("<svg><text>a<p>b", "b"),
    ("<svg><foreignObject><p>a</p></foreignObject></svg>b", "b"),
    ("<div><svg><text>a</div>b", "b"),
    (
        "<div style='color:red; Display: none !important'>a</div>b",
        "b",
    ),
    ("<div style='backface-visibility:hidden'>a</div>b", "ab"),
    ("<div hidden/>a", ""),
    ("<p hidden>a<p>b", "b"),
    ("<p hidden>a<div>b</div>c", "bc"),
    ("<p hidden>a<b>b<h2>c</h2>d", "cd"),
    ("<p hidden>a<br>b<span>c</span>d</p>e", "e"),
    ("<div><p hidden>a</div>b", "b"),
    ("<p hidden>a</div>b", ""),
    ("<div hidden>a<p>b</p>c<div>d</div>e</div>f", "f"),
    ("<div hidden>a<p>b</div>c", "c"),
    ("<ul><li hidden>a<li>b</ul>c", "bc"),
    ("<ul><li hidden>a<ul><li>b</ul>c</ul>d", "d"),
    ("<ul hidden><li>a<li>b</ul>c", "c"),
    ("<dl><dt hidden>a<dd>b<dd hidden>c</dl>d", "bd"),
    ("<table><tr hidden><td>a<tr><td>b</table>c", "bc"),
    ("<table><tr><td hidden><div>a<td>b</table>c", "bc"),
    (
        "<table><tbody hidden><tr><td>a<tbody><tr><td>b</table>",
        "b",
    ),
    ("<table><tr><td><div hidden>a</table>b", "b"),
    ("<table hidden><tr><td><p>a</div><tr><td>b</table>c", "c"),
    ("<h2 hidden>a<h3>b", "b"),
    ("<h2 hidden>a</h3>b", "b"),
    ("<a hidden>a<a>b", "b"),
    ("<b><span hidden>a</b>b", "b"),
    ("<b><p hidden>a</b>b", ""),
    ("<span hidden>a<div>b</div></span>c", "c"),
    ("<body><div hidden>a</body></html>b", ""),
    ("<p style='Display : NONE'>a<p>b", "b"),
    ("<img hidden>a<br hidden>b", "ab"),
    ("<noscript>a<p>b</noscript>c", "c"),
    ("<object>a<div>b</div></object>c", "c"),
    ("<title>a</title><textarea><p>b</textarea>c", "c"),
    ("<script>a</p></script>b<!-- c -->", "b"),
];

#[test]
fn what_is_hidden_ends_where_a_browser_ends_it() {
    let mut wrong = Vec::new();
    for (html, expected) in PAGES {
        let found = words(html);
        if found != *expected {
            wrong.push(format!("{html}\n{found:?} and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_tag_that_ends_what_is_hidden_is_shown_if_it_ends_more() {
    let ends = |html: &str| {
        let pieces = shown(html).filter_map(|piece| match piece {
            Piece::End(name) => Some(name),
            Piece::Start(_) | Piece::Words(_) => None,
        });
        pieces.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ends("<div hidden>a</div>b"), "");
    assert_eq!(ends("<ul><li hidden>a</ul>b"), "ul");
    assert_eq!(ends("<p>a</p></i>"), "p i");
}

#[test]
fn a_page_that_shows_nothing_is_known() {
    for html in [
        "<title>T</title>",
        "<p> \n</p><div></div><!-- words -->",
        "<p>&nbsp;&#7;</p>",
        "<script>document.write('words')</script><style>p { color: red }</style>",
        "<noscript>Turn scripts on</noscript><template>words</template>",
        "<svg><text>drawn and never ended",
        "<div hidden>words</div>",
        "<p style='display: none'>words",
        "<img src=https://e.org/x width=1 height=1 alt=x>",
        "<img src=https://e.org/x hidden>",
        "<img src=cid:1>",
    ] {
        assert!(!shows_anything(html), "{html}");
    }
    // No channel shows a picture from so long an address.
    let long = format!("<img src=https://e.org/{}>", "x".repeat(2_000));
    assert!(!shows_anything(&long));
    for html in [
        "words",
        "<p>&#x41;</p>",
        "<img src=' HTTPS://e.org/x'>",
        "<img src=cid:1 alt=words>",
        "<title>T</title>x",
        "&lt;script>",
        "<p hidden>a<p>b",
    ] {
        assert!(shows_anything(html), "{html}");
    }
}

proptest! {
    #[test]
    fn any_page_is_survived(html in "(<(/?)(p|div hidden|svg|math/|li|ul|table|td|tr|b|a|h2|title|body)>|\\PC{0,6}){0,40}") {
        shows_anything(&html);
    }

    /// Every element ends with the one around it.
    #[test]
    fn nothing_hides_what_comes_after_what_it_stands_in(inner in "(<(/?)(p|span|svg|math/|li|ul|b|a|h2|dl|dd)>|[a-z]{0,3}){0,20}") {
        let html = format!("<table><tr><td hidden>{inner}</table>END");
        prop_assert_eq!(words(&html), "END");
    }
}
