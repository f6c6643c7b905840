//! Events in a shape that came later than their type.

use time::macros::datetime;

use super::{check_shape, choices, code, id, of_subscriber, publication_events};
use crate::aggregate::Aggregate as _;
use crate::personal::Personal::Known;
use crate::testing::GlassVault;
use crate::value::{
    ChannelIds, ConsentVersion, ConsentWording, EmailAddress, Evidence, Html, PageUrl, Title,
};
use crate::{access, delivery, publication, record, subscriber, subscriber_import};

/// Content in HTML.
fn publication_events_in_html() -> Vec<publication::Event> {
    use publication::{Content, Event};
    let content = || {
        let page = Html::parse("<p>Hello <em>world</em>\n").unwrap();
        Content::new(Title::parse("Good news").unwrap(), page)
    };
    let channel_ids = || ChannelIds::parse(vec![id(2), id(1)]).unwrap();
    vec![
        Event::Drafted {
            content: content(),
            channel_ids: channel_ids(),
            aim: publication::Aim::default(),
        },
        Event::Revised {
            content: content(),
            channel_ids: channel_ids(),
            aim: publication::Aim::default(),
        },
    ]
}

/// Content that can be read on the web. Whoever does not know of that leaves out the link.
fn publication_events_with_a_page() -> Vec<publication::Event> {
    use publication::Event;
    let mut events = publication_events();
    events.truncate(2);
    for event in &mut events {
        if let Event::Drafted { content, .. } | Event::Revised { content, .. } = event {
            let url = PageUrl::parse("https://example.org/news").unwrap();
            content.url = Some(Known(url));
        }
    }
    events
}

/// As `Advanced` is written since rejected records tell whom they quote.
fn import_that_quotes() -> Vec<subscriber_import::Event> {
    use subscriber_import::Rejected;
    let mut quoting = Rejected::new(2, code("wrong_field_count"), Some("ada@example.org"));
    quoting.address_ids = vec![id(3), id(4)];
    vec![subscriber_import::Event::Advanced {
        through: 1,
        accepted: 0,
        rejected: vec![quoting],
        existing: 0,
        suppressed: 0,
        suppressed_for: vec![],
    }]
}

/// As they are written since a file may say who must get no mail.
fn import_that_suppresses() -> [subscriber_import::Event; 2] {
    use subscriber_import::Event;
    let advanced = Event::Advanced {
        through: 4,
        accepted: 1,
        rejected: vec![],
        existing: 1,
        suppressed: 2,
        suppressed_for: vec![],
    };
    let completed = Event::Completed {
        accepted: 1,
        rejected: 0,
        existing: 1,
        suppressed: 2,
    };
    [advanced, completed]
}

/// As it is written since a line and a suppression say by which column.
fn import_that_names_columns() -> Vec<subscriber_import::Event> {
    use subscriber_import::{Rejected, SuppressedFor};
    let for_column = |column: Option<&str>, records| SuppressedFor {
        column: column.map(|it| Known(it.to_owned())),
        reason: code("unsubscribed"),
        records,
        unconfirmed: column.is_some(),
    };
    vec![subscriber_import::Event::Advanced {
        through: 4,
        accepted: 0,
        rejected: vec![Rejected::new(2, code("not_a_number"), None).in_column(Some("age"))],
        existing: 0,
        suppressed: 3,
        suppressed_for: vec![for_column(Some("opt_in"), 2), for_column(None, 1)],
    }]
}

pub(super) fn consent() -> subscriber::Consent {
    subscriber::Consent::to(
        ConsentWording::parse("I want to get the news.").unwrap(),
        ConsentVersion::parse("2026-03").unwrap(),
    )
}

/// As `SignedUp` is written of whoever has to confirm.
fn sign_up_to_confirm() -> Vec<subscriber::Event> {
    use subscriber::{Confirmation, Event, Source};
    vec![Event::SignedUp {
        email: Known(EmailAddress::parse("Ada@example.org").unwrap()),
        name: None,
        attributes: None,
        address_id: id(1),
        address_suppression_id: id(2),
        domain_suppression_id: id(3),
        source: Source::Form,
        import_id: None,
        confirmation: Confirmation::Pending(code("required")),
        consent: Some(consent()),
        evidence: Some(Known(Evidence::user_agent("Browser/7"))),
    }]
}

/// As it is written that somebody answers for the consent of whoever has yet to confirm.
fn vouched_for() -> Vec<subscriber::Event> {
    vec![subscriber::Event::Confirmed {
        method: subscriber::ConfirmMethod::Import,
        delivery_id: None,
        consent: Some(consent()),
        evidence: None,
    }]
}

/// As a delivery is planned that no publication has asked for.
fn delivery_of_a_notice() -> Vec<delivery::Event> {
    vec![delivery::Event::Planned(delivery::Plan {
        cause: delivery::Cause::Notice(id(1)),
        content_version: 2,
        channel_id: id(3),
        subscriber_id: Some(id(4)),
        due_at: datetime!(2026-01-02 03:04:05.678901 UTC),
        priority: 100,
    })]
}

/// As a subscriber is sent a link to their own data, and as they use it.
fn own_data() -> Vec<access::Event> {
    vec![
        access::Event::NoticeIssued {
            subscriber_id: id(1),
            notice: access::Notice {
                kind: code("own_data"),
                delivery_id: id(2),
                issued_at: datetime!(2026-01-02 03:04:05.678901 UTC),
                departures: 1,
                consent: None,
            },
            evidence: Some(Known(Evidence::user_agent("Browser/7"))),
        },
        access::Event::Exported {
            subscriber_id: id(1),
            format: code("zip"),
            method: code("link"),
            digest: [6; 32],
            events: 1_000,
            through_position: 1_234,
            reason: None,
            delivery_id: Some(id(2)),
        },
    ]
}

#[test]
fn later_shapes_read_as_they_were_written_and_stop_readers_that_do_not_know_them() {
    let events = publication_events_in_html();
    check_shape::<publication::Publication>(&events, 2);
    for event in &events {
        assert_eq!(publication::Publication::min_reader(event), 2);
    }
    let events = publication_events_with_a_page();
    check_shape::<publication::Publication>(&events, 5);
    for event in &events {
        assert_eq!(publication::Publication::min_reader(event), 0);
    }
    check_shape::<subscriber_import::SubscriberImport>(&import_that_quotes(), 2);
    let [advanced, completed] = import_that_suppresses();
    check_shape::<subscriber_import::SubscriberImport>(&[advanced], 3);
    check_shape::<subscriber_import::SubscriberImport>(&[completed], 2);
    check_shape::<subscriber_import::SubscriberImport>(&import_that_names_columns(), 4);
    let events = of_subscriber::subscriber_events_one_by_one();
    check_shape::<subscriber::Subscriber>(&events, 2);
    // Who took leaving a channel for leaving everything sent nothing for it.
    let min_readers = events.iter().map(subscriber::Subscriber::min_reader);
    assert_eq!(min_readers.collect::<Vec<_>>(), [0, 3]);
    let events = choices::publication_events_with_topics();
    check_shape::<publication::Publication>(&events, 3);
    for event in &events {
        assert_eq!(publication::Publication::min_reader(event), 3);
    }
    let [written, frozen] = choices::publication_events_with_segments();
    check_shape::<publication::Publication>(&written, 4);
    check_shape::<publication::Publication>(&frozen, 2);
    for event in &written {
        assert_eq!(publication::Publication::min_reader(event), 4);
    }
    check_shape::<subscriber::Subscriber>(&sign_up_to_confirm(), 3);
    check_shape::<subscriber::Subscriber>(&vouched_for(), 2);
    check_shape::<delivery::Delivery>(&delivery_of_a_notice(), 2);
    check_shape::<access::Access>(&own_data(), 2);
    for event in own_data() {
        assert_eq!(access::Access::min_reader(&event), 0);
    }
    let capped = delivery::Event::Suppressed {
        reason: delivery::SuppressedReason::FrequencyCap,
    };
    assert_eq!(delivery::Delivery::min_reader(&capped), 4);
    let by_file = subscriber::Event::Unsubscribed {
        method: subscriber::UnsubscribeMethod::Import,
        delivery_id: None,
        evidence: None,
        what: subscriber::What::Everything,
    };
    assert_eq!(subscriber::Subscriber::min_reader(&by_file), 4);
    check_shape::<delivery::Delivery>(&[capped], 2);
    check_shape::<record::Record>(&of_subscriber::record_events_without_a_name(), 2);
    for event in publication_events() {
        assert_eq!(publication::Publication::min_reader(&event), 0);
    }
}

/// A later version may know more that an erasure leaves: that stops nobody who knows less.
#[test]
fn what_remains_by_a_code_of_later_is_passed_over() {
    use subscriber::{Event, Remains};
    let erased = Event::Erased {
        shredded: vec![],
        remains: vec![Remains::Segments],
    };
    let mut wire = subscriber::Subscriber::encode(&erased, &GlassVault);
    let tidings_proto::Event::SubscriberErased(written) = &mut wire else {
        panic!("{wire:?}");
    };
    assert_eq!(written.remains, ["segments"]);
    written.remains.push("of_later".to_owned());
    assert_eq!(
        subscriber::Subscriber::decode(&wire, &GlassVault),
        Ok(erased)
    );
}
