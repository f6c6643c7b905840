//! Short texts that would become huge, and long ones that do not.

use super::{Block, CUT_NOTE, RENDERED_BYTES_MAX, Target, WHOLE, whole};
use crate::content::{Composed, commonmark, html, text};
use crate::tracking::ADDRESS_CHARS_MAX;

/// What a token says besides the address.
const HEAD_BYTES: usize = 107;

/// The largest form of a content, in bytes.
fn largest(composed: &Composed) -> usize {
    let document = composed.document();
    let forms = [
        html::article(document).len(),
        text::letter("t", document, None).len(),
        commonmark::source(document).len(),
        composed.mail().html(None).len(),
        tracked(&composed.mail().html(None)),
        composed.slack().len(),
        composed.discord().len(),
    ];
    forms.into_iter().max().unwrap()
}

/// The size of a page whose links lead by way of the platform, as far as they do.
fn tracked(html: &str) -> usize {
    let hrefs = html.split("<a href=\"").skip(1);
    let grown = hrefs.map(|rest| {
        let href = rest.find('"').unwrap();
        let address = "https://news.example.org/t/".len() + ((HEAD_BYTES + href) * 4).div_ceil(3);
        match address <= ADDRESS_CHARS_MAX {
            true => address - href,
            false => 0,
        }
    });
    html.len() + grown.sum::<usize>()
}

fn is_cut(composed: &Composed) -> bool {
    text::letter("t", composed.document(), None)
        .replace('\n', " ")
        .contains(CUT_NOTE)
}

#[test]
fn no_page_becomes_huge() {
    let target = format!("<a href='https://e.org/{}'>", "x".repeat(1_900));
    let list = "<ol start=9999999999999999999><li>";
    let head = "<th>".to_owned() + &"words ".repeat(10_000);
    for (named, page) in [
        ("a link", target.clone() + &"<p>x".repeat(49_000)),
        ("a link, by lines", target + &"x<br>".repeat(39_000)),
        ("a list", list.repeat(20) + &"<p>x".repeat(49_000)),
        ("words in a list", list.repeat(20) + &"x ".repeat(99_000)),
        (
            "a head",
            format!("<table><tr>{head}<th>y{}", "<tr><td>x".repeat(4_900)),
        ),
        ("code", "<code>x</code> ".repeat(14_000)),
    ] {
        let composed = Composed::from_html("t", &page);
        let size = largest(&composed);
        assert!(size <= RENDERED_BYTES_MAX, "{named}: {size}");
        assert!(is_cut(&composed), "{named}");
    }
}

#[test]
fn no_markdown_becomes_huge() {
    let wide = |mark: &str| mark.repeat(12_000);
    for (named, text) in [
        (
            "a wide table",
            format!("{}\n{}\n{}", wide("|a"), wide("|-"), "|x\n".repeat(12_000)),
        ),
        (
            "a head",
            format!(
                "|{}|b|\n|-|-|\n{}",
                "word ".repeat(9_000),
                "|x\n".repeat(15_000)
            ),
        ),
        (
            "references",
            format!(
                "[a]: https://e.org/{}\n\n{}",
                "x".repeat(1_900),
                "[a] ".repeat(24_000)
            ),
        ),
        ("code", "`x` ".repeat(24_000)),
        (
            "lines in a quotation",
            format!("{} x\n", "> ".repeat(22)).repeat(2_000),
        ),
    ] {
        let size = largest(&Composed::new("t", &text));
        assert!(size <= RENDERED_BYTES_MAX, "{named}: {size}");
    }
}

/// What fits is kept: of a table its first rows.
#[test]
fn a_long_table_keeps_the_rows_that_fit() {
    let rows: String = (0..9_000).map(|n| format!("|{n}|Ann|9|\n")).collect();
    let composed = Composed::new("t", &format!("|a|b|c|\n|-|-|-|\n{rows}"));
    assert!(is_cut(&composed));
    let letter = text::letter("t", composed.document(), None);
    assert!(
        letter.contains("100") && !letter.contains("8999"),
        "{}",
        letter.len()
    );
}

#[test]
fn what_is_only_long_is_not_cut() {
    let paragraph = "The [ferry](https://ferry.example.org/timetable?from=1&to=2) runs **again**, \
                     says `the office`: \"twice a day\".\n\n- one\n- two\n\n";
    let composed = Composed::new("t", &paragraph.repeat(100_000 / paragraph.len()));
    assert!(!is_cut(&composed));
    let row = "<tr><td>Harbour<td>12:00<td>13:00<td>14:00";
    let table = format!("<table>{}</table>", row.repeat(2_000));
    assert!(!is_cut(&Composed::from_html("t", &table)));
}

#[test]
fn what_is_cut_links_to_the_whole_in_every_form() {
    let rows: String = (0..9_000).map(|n| format!("|{n}|Ann|9|\n")).collect();
    let url = "https://e.org/whole";
    let text = format!("|a|b|c|\n|-|-|-|\n{rows}");
    let composed = Composed::from_markdown("t", &text, Target::image(url));
    let last = composed.document().blocks.last();
    let Some(Block::Paragraph(content)) = last else {
        panic!("{last:?}");
    };
    assert!(content.contains(&whole(&Target::image(url).unwrap())));
    let letter = composed.mail().text(None);
    let words: Vec<_> = letter.split_whitespace().collect();
    let words = words.join(" ");
    assert!(words.contains(&format!("{WHOLE} [1]")) && words.contains(&format!("[1] {url}")));
}
