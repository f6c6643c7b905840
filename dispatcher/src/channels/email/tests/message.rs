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
fn reports_come_back_to_an_address_of_their_own() {
    let settings = |domain: &str| {
        json!({"host": "127.0.0.1", "encryption": "none", "from": "tide@example.org",
        "return_path_domain": domain})
    };
    let content = support::content();
    let render = |settings, return_path: Option<&str>| {
        let config = Config::parse(&settings, None).unwrap();
        let channel = EmailChannel::new(config, &support::environment("/nowhere".as_ref()));
        let mut job = support::addressed(&content, "ada@example.org", None);
        job.return_path = return_path.map(str::to_owned);
        channel.render(&job).unwrap()
    };
    let rendered = render(settings("Bounces.B\u{fc}cher.example"), Some("b+token"));
    assert_eq!(rendered.from, "b+token@bounces.xn--bcher-kva.example");
    // The reader sees nothing of it.
    assert_eq!(rendered.body, render(settings("example.net"), None).body);
    // A test message is no delivery.
    assert_eq!(
        render(settings("example.net"), None).from,
        "tide@example.org"
    );
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

#[test]
fn a_mail_tells_of_its_reader_only_as_far_as_its_channel_wants_that() {
    use tidings_domain::id::IdKey;
    use tidings_domain::token::{Done, LinkKey, LinkKeys, TrackingLink};
    use tidings_service::config::PublicUrl;

    let by = crate::tracking::TrackingKeys {
        keys: LinkKeys::new(LinkKey::new(1, [7; 32]), vec![]),
        id_key: IdKey::new([7; 32]),
    };
    let public_url = PublicUrl::parse("https://news.example.org").unwrap();
    let content = Composed::new("Tide", "[High water](https://example.org/tide?at=noon)");
    let render = |tracking: &str| {
        let settings = json!({"host": "127.0.0.1", "encryption": "none", "from": "tide@example.org",
            "tracking": tracking});
        let config = Config::parse(&settings, None).unwrap();
        let channel = EmailChannel::new(config, &support::environment("/nowhere".as_ref()));
        let mut job = support::addressed(&content, "ada@example.org", None);
        job.tracking = Some(crate::tracking::Tracking {
            by: &by,
            public_url: &public_url,
            link: TrackingLink {
                subscriber_id: uuid::Uuid::from_u128(1),
                publication_id: uuid::Uuid::from_u128(2),
                delivery_id: uuid::Uuid::from_u128(3),
                channel_id: uuid::Uuid::from_u128(4),
                issued: time::macros::date!(2026 - 01 - 02),
                content_version: 1,
                done: Done::Opened,
            },
        });
        let text = String::from_utf8(channel.render(&job).unwrap().body).unwrap();
        text.replace("=\r\n", "").replace("\r\n", "\n")
    };
    let tokens = |text: &str| {
        let links = text.split("https://news.example.org/t/").skip(1);
        let tokens = links.map(|rest| rest.split('"').next().unwrap().to_owned());
        let links = tokens.map(|token| TrackingLink::verify(&token, &by.keys).unwrap().done);
        links.collect::<Vec<_>>()
    };
    assert_eq!(tokens(&render("off")), []);
    let clicks = tokens(&render("clicks"));
    let [Done::Clicked { url, .. }] = clicks.as_slice() else {
        panic!("{clicks:?}");
    };
    assert_eq!(url, "https://example.org/tide?at=noon");
    let all = render("opens_and_clicks");
    assert_eq!(tokens(&all), [clicks[0].clone(), Done::Opened]);
    insta::assert_snapshot!(all);
}
