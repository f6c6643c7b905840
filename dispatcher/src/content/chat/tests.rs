//! What chats have in common, as Slack and Discord get it.

use super::*;
use crate::content::Composed;
use serde_json::Value;

/// What Slack shows, a line for each block, and Discord's description.
fn shown(markdown: &str) -> (String, String) {
    let composed = Composed::new("t", markdown);
    let slack: Value = serde_json::from_str(composed.slack()).unwrap();
    let blocks = slack["blocks"].as_array().unwrap().iter().skip(1);
    let texts = blocks.map(|it| {
        let text = it["text"]["text"].as_str();
        text.or(it["image_url"].as_str()).unwrap().to_owned()
    });
    let discord: Value = serde_json::from_str(composed.discord()).unwrap();
    let description = discord["embeds"][0]["description"].as_str();
    (
        texts.collect::<Vec<_>>().join("\n"),
        description.unwrap_or_default().to_owned(),
    )
}

#[test]
fn a_fence_is_kept_shut_however_many_marks_there_are() {
    for count in 3..=9 {
        let marks = "`".repeat(count);
        let line = format!("a{marks}b");
        assert!(!unfenced(&line).contains("``"), "{count}");
        assert_eq!(unfenced(&line).replace('\u{200b}', ""), line);
        let (slack, discord) = shown(&format!("~~~\n{line}\n{marks}\n~~~"));
        for text in [slack, discord] {
            assert_eq!(text.matches("``").count(), 2, "{text}");
        }
    }
}

#[test]
fn a_heading_keeps_its_links_and_marks() {
    let (slack, discord) = shown(
        "## Read [the **report**](https://e.org/r) by *Ada* & **us**\n\n## ![A pier](https://e.org/p.png)",
    );
    assert_eq!(
        slack,
        "*Read <https://e.org/r|the report> by _Ada_ &amp; us*\nhttps://e.org/p.png"
    );
    assert_eq!(
        discord,
        "**Read [the report](https://e.org/r) by _Ada_ & us**\n\n**[A pier](https://e.org/p.png)**"
    );
}

const NARROW: &str = "| [Ferry](https://e.org/f) | To |\n|--|--|\n\
    | [4](https://e.org/4) | **[Pier](https://e.org/p)** |\n| [4](https://e.org/4) | ![Map](https://e.org/m.png) |\n";

fn wide() -> String {
    NARROW.replace("To |", &format!("To{} |", " and on".repeat(12)))
}

#[test]
fn a_table_in_columns_has_its_links_below() {
    let (slack, discord) = shown(NARROW);
    let columns = "```\nFerry  To\n-----  ----\n4      Pier\n4      Map\n```\n";
    assert_eq!(
        slack,
        format!(
            "{columns}<https://e.org/f|Ferry>\n<https://e.org/4|4>\n<https://e.org/p|Pier>\nhttps://e.org/m.png"
        )
    );
    let links = "[Ferry](https://e.org/f)\n[4](https://e.org/4)\n[Pier](https://e.org/p)\n[Map](https://e.org/m.png)";
    assert_eq!(discord, format!("{columns}\n{links}"));
}

#[test]
fn a_table_set_row_by_row_has_its_links_where_they_are() {
    let (slack, discord) = shown(&wide());
    assert!(
        slack.starts_with("<https://e.org/f|Ferry>: <https://e.org/4|4>\nTo and on"),
        "{slack}"
    );
    assert!(slack.contains(": *<https://e.org/p|Pier>*\n"), "{slack}");
    assert!(slack.ends_with("\nhttps://e.org/m.png"), "{slack}");
    assert!(
        discord.starts_with("[Ferry](https://e.org/f): [4](https://e.org/4)\nTo and on"),
        "{discord}"
    );
    assert!(
        discord.contains(": **[Pier](https://e.org/p)**"),
        "{discord}"
    );
}

#[test]
fn a_table_in_a_mail_has_its_links_in_the_notes() {
    let notes = "\n\n[1] https://e.org/f\n[2] https://e.org/4\n[3] https://e.org/p\n[4] https://e.org/m.png\n";
    let letter = |markdown: &str| Composed::new("t", markdown).mail().text(None);
    let narrow = letter(NARROW);
    let columns = "Ferry [1]  To\n---------  ----------------\n4 [2]      Pier [3]\n4 [2]      [Image: Map] [4]";
    assert!(narrow.ends_with(&format!("{columns}{notes}")), "{narrow}");
    let wide = letter(&wide());
    assert!(wide.contains("\nFerry [1]: 4 [2]\nTo and on"), "{wide}");
    assert!(wide.ends_with(notes), "{wide}");
}

#[test]
fn an_address_keeps_its_underlines_in_discord_also_within_brackets() {
    let text = "See (https://e.org/a_b_c) and \"https://e.org/x~y~\" and a_https://e.org/b_";
    let (_, discord) = shown(text);
    assert_eq!(discord, text.replace("a_https", "a\\_https"));
}
