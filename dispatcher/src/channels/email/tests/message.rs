//! The composed message, as sent.

use serde_json::json;

use super::{support, *};

fn text_of(name: Option<&str>, email: &str) -> (Rendered, String) {
    let settings = json!({"host": "127.0.0.1", "encryption": "none", "reply_to": "desk@example.org",
        "from": "The Daily Tide <tide@example.org>", "list_id": "Tide <tide.example.org>",
        "unsubscribe_mailbox": "leave@tide.example.org"});
    let config = Config::parse(&settings, None).unwrap();
    let channel = EmailChannel::new(config, &support::environment("/nowhere".as_ref()));
    let content = support::content();
    let rendered = channel
        .render(&support::addressed(&content, email, name))
        .unwrap();
    let text = String::from_utf8(rendered.body.clone()).unwrap();
    (rendered, text)
}

#[test]
fn a_mail_as_it_leaves() {
    let (rendered, text) = text_of(Some("Ada Lovelace"), "ada@example.org");
    assert_eq!(
        (rendered.from.as_str(), rendered.to.as_str()),
        ("tide@example.org", "ada@example.org")
    );
    assert!(
        text.split("\r\n")
            .all(|line| line.len() <= 998 && !line.contains(['\r', '\n']))
    );
    insta::assert_snapshot!(text.replace("\r\n", "\n"));
}

#[test]
fn names_and_domains_of_any_script_are_encoded() {
    let (rendered, text) = text_of(Some("Zoë 海 \"Z\""), "zoe@bücher.example");
    assert_eq!(rendered.to, "zoe@xn--bcher-kva.example");
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn a_link_that_could_end_the_header_is_refused() {
    let content = support::content();
    let channel = channel(25, None, 1);
    for url in [
        "https://e.org/\r\nBcc: b@e.org",
        "javascript:alert(1)",
        "https://e.org/>, <https://evil",
    ] {
        let mut job = support::addressed(&content, "ada@example.org", None);
        job.unsubscribe_url = Some(url.to_owned());
        let error = channel.render(&job).err();
        assert_eq!(error, Some(crate::channel::RenderError::BadUnsubscribeUrl));
    }
    let mut job = support::addressed(&content, "ada@example.org", None);
    job.unsubscribe_url = None;
    let text = String::from_utf8(channel.render(&job).unwrap().body).unwrap();
    assert!(!text.contains("List-Unsubscribe"));
}
