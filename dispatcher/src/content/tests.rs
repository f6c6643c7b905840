//! One rich article in all forms, and what must hold for any text at all.

use proptest::prelude::*;
use serde_json::Value;
use tidings_domain::value::ConsentWording;
use time::macros::datetime;

use super::{
    Composed, discord,
    document::Target,
    mail::{Footer, Why},
    notice, slack, webhook,
};

const FOOTER: Footer<'static> = Footer {
    reader: "ada@example.org",
    sender: "The Daily Tide",
    why: Why::Subscribed,
    unsubscribe_url: Some("https://news.example.org/u/TOKEN"),
    preferences_url: Some("https://news.example.org/p/TOKEN"),
};

fn sample() -> Composed {
    Composed::new("Harbour bridge reopens", include_str!("sample.md"))
}

#[test]
fn the_sample_as_html() {
    insta::assert_snapshot!(sample().mail().html(Some(&FOOTER)));
}

#[test]
fn the_sample_as_text() {
    insta::assert_snapshot!(sample().mail().text(Some(&FOOTER)));
}

#[test]
fn the_sample_as_slack_blocks() {
    // As sent, with line ends for the eye: a `Value` in between would depend on how maps are kept.
    let message = sample().slack().replace("{\"type\"", "\n{\"type\"");
    insta::assert_snapshot!(message);
}

#[test]
fn the_sample_as_discord_embed() {
    let message: Value = serde_json::from_str(sample().discord()).unwrap();
    let embed = &message["embeds"][0];
    insta::assert_snapshot!(format!(
        "{}\n\n{}\n\n{}\n{}",
        embed["title"].as_str().unwrap(),
        embed["description"].as_str().unwrap(),
        embed["image"],
        message["allowed_mentions"],
    ));
}

#[test]
fn a_title_is_one_clean_line_and_never_empty() {
    for (title, kept) in [
        ("  A \r\n Bcc: x@example.org\t b ", "A Bcc: x@example.org b"),
        ("\u{7}", "Untitled"),
        ("", "Untitled"),
    ] {
        assert_eq!(Composed::new(title, "").title(), kept);
    }
}

#[test]
fn only_a_first_heading_that_repeats_the_title_goes() {
    let blocks = |markdown: &str| Composed::new("Tide", markdown).document().blocks.len();
    assert_eq!(blocks("# Tide\n\ntext"), 1);
    assert_eq!(blocks("# Ebb\n\ntext"), 2);
    assert_eq!(blocks("## Tide\n\ntext"), 2);
    let picture = "[![logo](https://e.org/i.png)](https://e.org)\n\n";
    assert_eq!(blocks(&format!("{picture}# Tide\n\ntext")), 2);
    assert_eq!(blocks("words\n\n# Tide\n\ntext"), 3);
}

#[test]
fn the_footer_without_a_link_offers_none() {
    let footer = Footer {
        unsubscribe_url: None,
        preferences_url: None,
        ..FOOTER
    };
    let mail = Composed::new("t", "x");
    for body in [
        mail.mail().html(Some(&footer)),
        mail.mail().text(Some(&footer)),
    ] {
        assert!(
            body.contains("ada@example.org") && !body.contains("nsubscribe"),
            "{body}"
        );
    }
    assert!(!mail.mail().text(None).contains("receive this"));
}

#[test]
fn whoever_is_asked_reads_what_for_where_to_say_yes_and_that_they_need_do_nothing() {
    let url = "https://news.example.org/c/TOKEN";
    let wording = ConsentWording::parse("I want the <i>news</i> & offers.").unwrap();
    let asks = notice::confirm_sign_up("The <Daily> Tide", Some(&wording), url);
    let footer = Footer {
        why: Why::SignedUp,
        unsubscribe_url: None,
        preferences_url: None,
        ..FOOTER
    };
    assert_eq!(asks.title(), "Please confirm: mails from The <Daily> Tide");
    insta::assert_snapshot!(asks.mail().text(Some(&footer)));
    let html = asks.mail().html(Some(&footer));
    assert!(html.contains(&format!("href=\"{url}\"")), "{html}");
    assert!(html.contains("The &lt;Daily&gt; Tide") && !html.contains("<Daily>"));
    assert!(
        html.contains("the &lt;i&gt;news&lt;/i&gt; &amp; offers."),
        "{html}"
    );
    // Whoever answers for somebody's consent need not say to what.
    let silent = notice::confirm_sign_up("The Tide", None, url);
    assert!(!silent.mail().text(None).contains("agreed"));
}

#[test]
fn whoever_is_sent_their_data_reads_who_asked_until_when_the_link_works_and_whom_to_ask() {
    let url = "https://news.example.org/x/TOKEN";
    let until = datetime!(2026-03-09 09:05 UTC);
    let contact = "privacy@example.org, 1 <Quay> Street";
    let brings = notice::own_data("The <Daily> Tide", url, until, contact);
    let footer = Footer {
        why: Why::AskedForData,
        unsubscribe_url: None,
        preferences_url: None,
        ..FOOTER
    };
    assert_eq!(brings.title(), "What The <Daily> Tide holds about you");
    let text = brings.mail().text(Some(&footer));
    assert!(!text.contains(FOOTER.reader), "{text}");
    insta::assert_snapshot!(text);
    let html = brings.mail().html(Some(&footer));
    assert!(html.contains(&format!("href=\"{url}\"")), "{html}");
    assert!(html.contains("1 &lt;Quay&gt; Street") && !html.contains("<Quay>"));
}

#[test]
fn a_footer_is_escaped_like_all_else() {
    let footer = Footer {
        sender: "<b>Tide</b>",
        ..FOOTER
    };
    let html = Composed::new("t", "x").mail().html(Some(&footer));
    assert!(html.contains("&lt;b&gt;Tide"), "{html}");
}

#[test]
fn nesting_without_end_keeps_its_words() {
    for deep in [
        format!("{} end", ">".repeat(5_000)),
        format!("{}end", "- ".repeat(5_000)),
        format!("{}end{}", "*a ".repeat(5_000), "*".repeat(5_000)),
        format!("{}end", "[".repeat(5_000)),
    ] {
        let composed = Composed::new("t", &deep);
        assert!(composed.mail().text(None).contains("end"));
        assert!(composed.mail().html(None).contains("end"));
        for chat in [composed.slack(), composed.discord()] {
            assert!(chat.contains("end") || chat.contains("only the beginning"));
        }
    }
}

#[test]
fn a_message_too_long_for_discord_says_so_and_is_full() {
    for text in [
        "word ".repeat(2_000),
        "word\n\n".repeat(2_000),
        format!("```\n{}\n```", "word\n".repeat(2_000)),
        format!("```\n{}\n```", "word".repeat(2_000)),
        "w".repeat(9_000),
        "[word](https://e.org) ".repeat(900),
    ] {
        let message = Composed::new("t", &text);
        let message: Value = serde_json::from_str(message.discord()).unwrap();
        let description = &message["embeds"][0]["description"];
        let length = length(description);
        assert!(
            (3_900..=discord::DESCRIPTION_LENGTH_MAX).contains(&length),
            "{length}"
        );
        assert!(description.as_str().unwrap().contains("only the beginning"));
    }
}

#[test]
fn discord_mentions_links_and_marks_cannot_be_forged() {
    let message = Composed::new(
        "@everyone *now* <@1>",
        "To <@&1> <#2> `@here` \\*a\\* \\[x](https://evil.example) ||s|| 1\\. \\# see https://e.org/a_b_c \
         [https://good.example](https://e.org/a(b)) [x\\]y](https://e.org) [mail](mailto:a_b@e.org)",
    );
    let value: Value = serde_json::from_str(message.discord()).unwrap();
    let embed = &value["embeds"][0];
    insta::assert_snapshot!(format!(
        "{}\n\n{}",
        embed["title"].as_str().unwrap(),
        embed["description"].as_str().unwrap()
    ));
    assert_eq!(value["allowed_mentions"].to_string(), r#"{"parse":[]}"#);
}

#[test]
fn only_a_picture_that_discord_takes_is_shown() {
    let image = |text: &str| {
        let value: Value = serde_json::from_str(Composed::new("t", text).discord()).unwrap();
        value["embeds"][0]["image"]["url"]
            .as_str()
            .map(str::to_owned)
    };
    let local =
        "![a](http://localhost/a.png) ![b](https://u:p@e.org/b.png) ![c](https://10.0.0.1/c.png)";
    assert_eq!(image(local), None);
    let found = image(&format!(
        "{local}\n\n> - **![d](https://e.org/d.png)** ![e](https://e.org/e.png)"
    ));
    assert_eq!(found.as_deref(), Some("https://e.org/d.png"));
}

#[test]
fn only_a_picture_that_slack_takes_is_shown_and_any_other_is_linked_to() {
    let text = "![a](http://localhost/a.png) ![b](https://u:p@e.org/b.png) ![c](https://10.0.0.1/c.png) \
                ![d](https://e.org/d.webp?x=.png) ![](https://e.org/e.svg)\n\n![f](https://e.org/f.png?v=1.2) ![g](https://e.org/g)";
    let message: Value = serde_json::from_str(Composed::new("t", text).slack()).unwrap();
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(
        blocks[1]["text"]["text"],
        "<http://localhost/a.png|a> <https://u:p@e.org/b.png|b> <https://10.0.0.1/c.png|c> <https://e.org/d.webp?x=.png|d> \
         <https://e.org/e.svg|Image>"
    );
    let shown: Vec<_> = blocks
        .iter()
        .filter_map(|block| block["image_url"].as_str())
        .collect();
    assert_eq!(shown, ["https://e.org/f.png?v=1.2", "https://e.org/g"]);
}

#[test]
fn a_message_too_long_for_slack_says_so() {
    let long = "word ".repeat(500);
    let text = format!("{long}\n\n---\n\n").repeat(60);
    let message: Value = serde_json::from_str(Composed::new("t", &text).slack()).unwrap();
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks.last().unwrap()["type"], "context");
    let short: Value =
        serde_json::from_str(Composed::new("t", &"word\n\n---\n\n".repeat(60)).slack()).unwrap();
    let blocks = short["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), slack::BLOCKS_MAX);
    assert_eq!(blocks[49]["type"], "context");
}

/// Slack refuses a message for what its blocks come to together, though none of them is too long.
#[test]
fn a_slack_message_is_cut_before_its_blocks_are_too_long_together() {
    let paragraph = "word ".repeat(500);
    let message = |count: usize| -> Value {
        let text = format!("{paragraph}\n\n").repeat(count);
        serde_json::from_str(on_the_web(&text).slack()).unwrap()
    };
    let whole = message(3);
    assert!(!whole.to_string().contains("beginning"));
    let cut = message(6);
    let blocks = cut["blocks"].as_array().unwrap();
    let sections = blocks.iter().filter(|it| it["type"] == "section").count();
    assert_eq!(sections, 3, "as many whole paragraphs as there is room for");
    assert_eq!(blocks.last().unwrap()["type"], "context");
    assert!(slack_length(&cut) <= slack::MESSAGE_LENGTH_MAX);
}

/// What the blocks of a message come to together.
fn slack_length(message: &Value) -> usize {
    let blocks = message["blocks"].as_array().unwrap();
    let words = |block: &Value| {
        let texts = [&block["text"]["text"], &block["elements"][0]["text"]];
        let picture = [&block["image_url"], &block["alt_text"]];
        let all = texts.into_iter().chain(picture);
        all.filter(|it| !it.is_null()).map(length).sum::<usize>()
    };
    let all = blocks.iter();
    all.map(|block| slack::BLOCK_LENGTH + words(block)).sum()
}

const PAGE: &str = "https://example.org/bridge?a=1&b=(2)";

/// Content that can be read whole on the web.
fn on_the_web(markdown: &str) -> Composed {
    Composed::from_markdown("Harbour bridge reopens", markdown, Target::image(PAGE))
}

#[test]
fn what_a_chat_cuts_links_to_the_whole() {
    let long = format!("{}\n\n---\n\n", "word ".repeat(500)).repeat(60);
    let slack: Value = serde_json::from_str(on_the_web(&long).slack()).unwrap();
    insta::assert_snapshot!(
        slack["blocks"].as_array().unwrap().last().unwrap()["elements"][0]["text"].as_str().unwrap(),
        @"_This is only the beginning: the message is longer than Slack can show._ <https://example.org/bridge?a=1&amp;b=(2)|Read the whole text>"
    );
    let discord: Value = serde_json::from_str(on_the_web(&long).discord()).unwrap();
    let embed = &discord["embeds"][0];
    let description = embed["description"].as_str().unwrap();
    insta::assert_snapshot!(
        description.lines().last().unwrap(),
        @"_This is only the beginning: the message is longer than Discord can show._ [Read the whole text](https://example.org/bridge?a=1&b=%282%29)"
    );
    assert!(length(&embed["description"]) <= discord::DESCRIPTION_LENGTH_MAX);
    assert_eq!(embed["url"], PAGE);
}

#[test]
fn every_form_says_where_it_is_on_the_web_and_none_does_without_an_address() {
    let here = on_the_web("It opens.\n");
    let mail = here.mail().html(Some(&FOOTER));
    insta::assert_snapshot!(
        mail.lines().find(|line| line.contains("on the web")).unwrap(),
        @r#"<p class="quiet" style="margin:24px 0 0;color:#6b7280;font-size:13px;line-height:20px"><a href="https://example.org/bridge?a=1&amp;b=(2)" class="link" style="color:#1d4ed8">Read it on the web</a></p>"#
    );
    let text = here.mail().text(Some(&FOOTER));
    assert!(
        text.contains(&format!("\n\nRead it on the web: {PAGE}\n\n-- \n")),
        "{text}"
    );
    let article = serde_json::to_value(here.webhook()).unwrap();
    assert_eq!(article["url"], PAGE);
    let embed: Value = serde_json::from_str(here.discord()).unwrap();
    assert_eq!(embed["embeds"][0]["url"], PAGE);

    let nowhere = Composed::new("Harbour bridge reopens", "It opens.\n");
    assert!(!nowhere.mail().html(None).contains("on the web"));
    assert!(!nowhere.mail().text(None).contains("on the web"));
    let article = serde_json::to_value(nowhere.webhook()).unwrap();
    assert_eq!(article.get("url"), None);
    assert!(!nowhere.discord().contains("\"url\""));
}

#[test]
fn many_short_blocks_share_sections_before_anything_is_cut() {
    let text = (0..100)
        .map(|n| format!("paragraph {n}\n\n"))
        .collect::<String>();
    let message = Composed::new("t", &text);
    assert!(message.slack().contains("paragraph 99") && !message.slack().contains("beginning"));
}

#[test]
fn slack_mentions_and_links_cannot_be_forged() {
    let message = Composed::new(
        "<!channel>",
        "To <!here> <@U1> `<!everyone>` [x|y](https://e.org/a|b>c)",
    );
    let value: Value = serde_json::from_str(message.slack()).unwrap();
    let section = value["blocks"][1]["text"]["text"].as_str().unwrap();
    insta::assert_snapshot!(section, @"To &lt;!here&gt; &lt;@U1&gt; `&lt;!everyone&gt;` <https://e.org/a%7Cb%3Ec|x|y>");
    assert_eq!(
        value["text"].as_str().unwrap().lines().next(),
        Some("&lt;!channel&gt;")
    );
}

/// Markup-heavy text: far more likely than noise to reach the corners of the renderers.
fn article() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        "[a-z &<>\"'|*_~`]{0,40}",
        Just("<script>alert(1)</script>".to_owned()),
        Just("[x](javascript:alert(1))".to_owned()),
        Just("![a\"b](https://e.org/i.png?a=1&b=\"2\")".to_owned()),
        Just("[*a*](https://e.org/<b>|c)".to_owned()),
        Just("\n\n- a\n  - b\n\n    > c\n".to_owned()),
        Just("\n\n|a|b|\n|-|-|\n|`c|d`|*e*|\n\n".to_owned()),
        Just("\n```\n```x&<>\n".to_owned()),
        Just("&#7;&#x202e;\r\u{0}".to_owned()),
        Just(format!("{} ", "w&".repeat(1_700))),
        Just("\n\n---\n\n".to_owned()),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn length(value: &Value) -> usize {
    value.as_str().unwrap().encode_utf16().count()
}

proptest! {
    #[test]
    fn html_never_runs_anything(title in "\\PC{0,40}", markdown in article()) {
        let html = Composed::new(&title, &markdown).mail().html(Some(&FOOTER));
        let html = html.to_ascii_lowercase();
        prop_assert!(!html.contains("<script"));
        for attribute in html.split(['"', '=']).collect::<Vec<_>>().windows(2) {
            let names_target = attribute[0].ends_with("href") || attribute[0].ends_with("src");
            prop_assert!(!(names_target && attribute[1].trim().starts_with("javascript:")));
        }
        prop_assert!(!html.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn text_is_wrapped_wherever_there_is_a_space(markdown in article()) {
        let text = Composed::new("t", &markdown).mail().text(Some(&FOOTER));
        let literal = |line: &str| line.starts_with("    ") || line.starts_with('>') || line.contains("://");
        for line in text.lines().filter(|line| !literal(line)) {
            let breakable = line.trim_start_matches(['-', ' ', '>']).trim_end().contains(' ');
            prop_assert!(!breakable || line.chars().count() <= 76, "{}", line);
        }
    }

    #[test]
    fn slack_messages_keep_every_limit(title in "\\PC{0,400}", markdown in article()) {
        let message: Value = serde_json::from_str(Composed::new(&title, &markdown).slack()).unwrap();
        prop_assert!(length(&message["text"]) <= 40_000 && length(&message["text"]) > 0);
        let blocks = message["blocks"].as_array().unwrap();
        prop_assert!(blocks.len() <= slack::BLOCKS_MAX);
        prop_assert!(slack_length(&message) <= slack::MESSAGE_LENGTH_MAX);
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "header" => prop_assert!((1..=150).contains(&length(&block["text"]["text"]))),
                "section" => {
                    let text = &block["text"]["text"];
                    prop_assert!((1..=3_000).contains(&length(text)), "{}", text);
                    // Cut nowhere inside a link or an entity.
                    let text = text.as_str().unwrap();
                    prop_assert_eq!(text.matches('<').count(), text.replace("\n> ", "\n").trim_start_matches("> ").matches('>').count());
                    for entity in text.split('&').skip(1) {
                        prop_assert!(["amp;", "lt;", "gt;"].iter().any(|name| entity.starts_with(name)));
                    }
                }
                "image" => prop_assert!((1..=2_000).contains(&length(&block["alt_text"]))),
                "divider" | "context" => {}
                other => prop_assert!(false, "unknown block {}", other),
            }
        }
    }

    #[test]
    fn discord_messages_keep_every_limit(title in "\\PC{0,400}", markdown in article()) {
        let message: Value = serde_json::from_str(Composed::new(&title, &markdown).discord()).unwrap();
        let embed = &message["embeds"][0];
        prop_assert!((1..=discord::TITLE_LENGTH_MAX).contains(&length(&embed["title"])));
        let description = embed["description"].as_str().unwrap_or_default();
        prop_assert!(description.encode_utf16().count() <= discord::DESCRIPTION_LENGTH_MAX);
        prop_assert_eq!(description.matches("```").count() % 2, 0);
        prop_assert_eq!(message["allowed_mentions"].to_string(), r#"{"parse":[]}"#);
    }

    #[test]
    fn any_text_renders(title in any::<String>(), markdown in any::<String>()) {
        let composed = Composed::new(&title, &markdown);
        prop_assert!(!composed.title().chars().any(char::is_control));
        prop_assert!(!composed.mail().html(None).is_empty());
        prop_assert!(!composed.mail().text(None).is_empty());
        prop_assert!(!composed.slack().is_empty());
        prop_assert!(!composed.discord().is_empty());
        prop_assert!(serde_json::to_vec(composed.webhook()).unwrap().len() <= webhook::ARTICLE_BYTES_MAX);
    }
}
