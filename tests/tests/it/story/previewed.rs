//! A preview is what goes out: the whole message of every kind of channel, but for what names the one delivery and its reader's
//! own links.

use std::fs;

use serde_json::{Value, json};
use tidings_sinks::{discord, webhook};
use tidings_tests::house::{House, PUBLIC_URL};
use uuid::Uuid;

use super::desk::get;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Whom a preview is addressed to.
const READER: &str = "reader@example.org";
const TITLE: &str = "Die Fähre & mehr: “wieder da”";
/// Something of everything.
const MARKDOWN: &str = "\
# Die Fähre

It runs **again**, *every* day; see the [times](https://example.org/ferry?a=1&b=2) or <https://example.org>.

![The ferry at its pier](https://example.org/ferry.png)

> Nobody swims. Ärger < 1 %.

1. Harbour
2. Island
   - with a stop
   - without one

| From | To | At |
| --- | --- | --- |
| Harbour | Island | 9:00 |
| Island | Harbour | 17:30 |

```
no smoking = no fire
.a line that begins with a dot
```

---

That is all, and this line is long enough that every form of it has to be folded somewhere before it comes to its end.
";

/// A house with one reader and a channel of every kind, and what was previewed of a draft on each before it went out.
struct Shown {
    house: House,
    discord: discord::Handle,
    webhook: webhook::Handle,
    publication_id: Uuid,
    /// Of the mail, Slack, Discord, the webhook and the file.
    previews: [Value; 5],
}

async fn published() -> Shown {
    let house = House::start().await;
    house.subscriber(READER).await;
    let options = || {
        let clock = house.platform.clock.clock();
        discord::Options {
            rate_limit: discord::Limit::None,
            clock: tidings_sinks::Clock::from_fn(move || clock.now()),
            ..discord::Options::default()
        }
    };
    let discord = discord::start(options()).await.unwrap();
    let knows = webhook::Receiver {
        secrets: vec![SECRET.to_owned()],
    };
    let webhook = webhook::start(options(), &knows).await.unwrap();
    let to_discord = json!({ "webhook_url": discord.url("news") });
    let to_webhook = json!({ "url": webhook.url("in") });
    let secret = json!({ "secret": SECRET });
    let channels = [
        house.email_channel().await,
        house.slack_channel("news").await,
        house.channel("discord", json!({}), Some(to_discord)).await,
        house.channel("webhook", to_webhook, Some(secret)).await,
        house
            .channel("file", json!({ "folder": "out" }), None)
            .await,
    ];
    let publication_id = house.draft(TITLE, MARKDOWN, &channels).await;
    let mut previews = [const { Value::Null }; 5];
    for (preview, channel) in previews.iter_mut().zip(channels) {
        let path = format!("/api/v1/publications/{publication_id}/preview?channel_id={channel}");
        let (status, shown) = get(&house, &path).await;
        assert_eq!((status, &shown["channel_id"]), (200, &json!(channel)));
        *preview = shown;
    }
    house
        .publication(publication_id, || {
            tidings_domain::publication::Command::Publish
        })
        .await;
    house.platform.settle().await;
    assert_eq!(house.accounting(publication_id).await.sent, 5);
    Shown {
        house,
        discord,
        webhook,
        publication_id,
        previews,
    }
}

fn body(preview: &Value) -> &str {
    preview["body"].as_str().unwrap()
}

/// A mail as it reads, without the name of its delivery and the tokens of its links.
fn as_it_reads(mail: &str) -> String {
    let (_, id) = mail.split_once("Message-ID: <").unwrap();
    let (id, _) = id.split_once('@').unwrap();
    let (head, bodies) = mail.split_once("\r\n\r\n").unwrap();
    let mail = format!("{head}\r\n\r\n{}", decoded(bodies));
    without_tokens(&mail.replace(id, "ID"))
}

/// Without the tokens of links to the platform's pages.
fn without_tokens(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ["u", "p"].into_iter().fold(text.to_owned(), |text, page| {
        let page = format!("{PUBLIC_URL}/{page}/");
        let mut parts = text.split(&page);
        let mut all = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            all.push_str(&page);
            all.push_str(part.trim_start_matches(is_token));
        }
        all
    })
}

/// Quoted-printable, undone; what is not meant so stays.
fn decoded(bodies: &str) -> String {
    let unfolded = bodies.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = unfolded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'=');
        let digits = digits.and_then(|it| str::from_utf8(it).ok());
        let is_upper = |it: &&str| !it.bytes().any(|byte| byte.is_ascii_lowercase());
        let byte = digits
            .filter(is_upper)
            .and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}

#[actix_web::test]
async fn a_mail_goes_out_as_it_was_previewed() {
    let Shown {
        house, previews, ..
    } = published().await;
    let sent = as_it_reads(&house.smtp.by_recipient(READER)[0].text());
    assert!(sent.contains("Ärger"), "{sent}");
    assert_eq!(sent, as_it_reads(body(&previews[0])));
}

#[actix_web::test]
async fn the_page_and_the_text_of_a_preview_are_those_of_the_mail() {
    let Shown {
        house, previews, ..
    } = published().await;
    let sent = as_it_reads(&house.smtp.by_recipient(READER)[0].text());
    let sent: Vec<&str> = sent.lines().collect();
    for form in ["html", "text"] {
        let shown = without_tokens(previews[0][form].as_str().unwrap());
        assert!(shown.contains("Ärger"), "{shown}");
        let strange: Vec<&str> = shown.lines().filter(|it| !sent.contains(it)).collect();
        assert_eq!(strange, <[&str; 0]>::default(), "{form}");
        let shown: Vec<&str> = shown.lines().collect();
        let as_one = sent.windows(shown.len()).any(|it| it == shown);
        assert!(as_one, "{form}: in another order");
    }
}

#[actix_web::test]
async fn what_chats_a_webhook_and_a_file_get_is_what_was_previewed() {
    let Shown {
        house,
        discord,
        webhook,
        publication_id,
        previews,
    } = published().await;
    let json_of = |preview: &Value| -> Value { serde_json::from_str(body(preview)).unwrap() };
    assert_eq!(
        house.slack.messages()[0].payload,
        json_of(&previews[1]),
        "Slack"
    );
    assert_eq!(
        discord.messages()[0].payload,
        json_of(&previews[2]),
        "Discord"
    );
    let without_delivery = |mut event: Value| {
        let data = event["data"].as_object_mut().unwrap();
        assert!(data.remove("delivery_id").is_some());
        assert_eq!(data["publication_id"], json!(publication_id));
        assert_eq!(data["title"], TITLE);
        event
    };
    let event = webhook.messages()[0].payload.clone();
    assert_eq!(
        without_delivery(event),
        without_delivery(json_of(&previews[3]))
    );
    let file = house.environment().file_root.join("out");
    let file = fs::read_to_string(file.join(format!("{publication_id}.eml"))).unwrap();
    assert!(as_it_reads(&file).contains("Ärger"));
    assert_eq!(as_it_reads(&file), as_it_reads(body(&previews[4])));
}
