//! The composed message, as sent.

use serde_json::json;
use tidings_domain::access::NoticeKind;

use super::{support, *};
use crate::channel::About;

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
fn a_mail_may_come_from_a_domain_of_any_script() {
    for kind in ["email", "ses"] {
        let (settings, credentials) = match kind {
            "email" => (json!({"host": "127.0.0.1", "encryption": "none"}), None),
            _ => (
                json!({"region": "eu-west-1"}),
                Some(r#"{"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}"#),
            ),
        };
        let build = |from: &str| {
            let mut settings = settings.clone();
            settings["from"] = from.into();
            settings["reply_to"] = from.into();
            let environment = support::environment("/nowhere".as_ref());
            let found = crate::channels::find(kind).unwrap();
            (found.build)(&settings, credentials, &environment)
        };
        let channel = build("Zo\u{eb} <news@b\u{fc}cher.example>").unwrap();
        let content = support::content();
        let job = support::addressed(&content, "ada@example.org", None);
        let rendered = channel.render(&job).unwrap();
        let text = String::from_utf8(rendered.body).unwrap();
        let named = text.matches("<news@xn--bcher-kva.example>").count();
        assert_eq!((named, text.is_ascii()), (2, true), "{kind}: {text}");
        // No form in ASCII exists of what stands before the @.
        let refused = build("zo\u{eb}@example.org").unwrap_err();
        let pointers = refused.problems.iter().map(|it| it.pointer.as_str());
        assert_eq!(pointers.collect::<Vec<_>>(), ["/from", "/reply_to"]);
        assert!(refused.problems[0].detail.contains("before the `@`"));
    }
}

/// Nobody wrote it (RFC 3834); somebody wrote a publication.
#[test]
fn only_a_notice_calls_itself_automatic() {
    let content = support::content();
    let channel = channel(25, None, 1);
    let text = |about: Option<About>| {
        let mut job = support::addressed(&content, "ada@example.org", None);
        job.about = about.unwrap_or(job.about);
        String::from_utf8(channel.render(&job).unwrap().body).unwrap()
    };
    for kind in [NoticeKind::ConfirmSignUp, NoticeKind::OwnData] {
        let notice = text(Some(About::Notice(kind)));
        assert!(notice.contains("\r\nAuto-Submitted: auto-generated\r\n"));
    }
    assert!(!text(None).contains("Auto-Submitted"));
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
