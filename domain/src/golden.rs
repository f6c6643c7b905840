//! Golden bytes: what was once written must read the same for ever. A file here is never changed;
//! a new shape of an event gets a new file beside it.

mod choices;
mod engaged;
mod later;
mod of_subscriber;
mod small;

use std::collections::BTreeSet;
use std::path::PathBuf;

use time::macros::datetime;
use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError, fold};
use crate::personal::Personal::Known;
use crate::schedule::CivilTime;
use crate::testing::{GlassVault, ShreddedVault};
use crate::value::{
    ChannelIds, ChannelKind, ChannelName, Code, Credentials, Markdown, Settings, Title,
};
use crate::{
    access, address, api_key, channel, delivery, engagement, engagement_period, log, publication,
    record, segment, subscriber, subscriber_import, suppression, topic,
};

use engaged::{engagement_events, period_events};
use small::{access_events, address_events, api_key_events, log_events};

fn id(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

fn code(text: &'static str) -> Code {
    Code::from_static(text)
}

fn publication_events() -> Vec<publication::Event> {
    use publication::{
        Accounting, Audience, Content, Event, MissedReason, Plan, RetriedClass, Retry,
    };
    let content = || {
        let markdown = Markdown::parse("Hello *world*\n").unwrap();
        Content::new(Title::parse("Good news").unwrap(), markdown)
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
        Event::Scheduled {
            time: CivilTime::parse("2026-12-24T08:00", "Europe/Berlin").unwrap(),
            at: datetime!(2026-12-24 07:00 UTC),
        },
        Event::Unscheduled,
        Event::ScheduleMissed {
            schedule_version: 3,
            reason: MissedReason::Late,
        },
        Event::Paused {
            reason: code("requested"),
        },
        Event::Resumed,
        Event::Published { content_version: 2 },
        Event::RetryRequested(Retry {
            class: RetriedClass::InDoubt,
            channel_id: Some(id(2)),
            delivery_id: Some(id(3)),
            failed_reasons: vec![code("mailbox_full"), code("greylisted")],
            reason: code("requested"),
        }),
        Event::RetryCompleted { version: 8 },
        Event::AudienceFrozen {
            audience: Audience {
                view_position: 1_000,
                subscribers: 7,
                deliveries: 8,
                digest: [5; 32],
            },
            picked: None,
        },
        Event::Cancelled {
            reason: code("requested"),
        },
        Event::PlanCompleted(Plan {
            planned: 6,
            not_planned: 2,
        }),
        Event::Completed(Accounting {
            sent: 1,
            failed: 2,
            suppressed: 1,
            cancelled: 1,
            in_doubt: 1,
            not_planned: 2,
        }),
    ]
}

fn channel_events() -> Vec<channel::Event> {
    use channel::{Attempt, Event};
    let by = Attempt {
        delivery_id: id(6),
        attempt: 2,
    };
    let name = || ChannelName::parse("House mail").unwrap();
    let settings = || Settings::parse(serde_json::json!({"port": 25, "host": "mx"})).unwrap();
    let credentials = || Credentials::parse(serde_json::json!({"password": "x"})).unwrap();
    vec![
        Event::Configured {
            kind: ChannelKind::parse("email").unwrap(),
            name: name(),
            settings: settings(),
            credentials: Some(Known(credentials())),
        },
        Event::Reconfigured {
            name: name(),
            settings: settings(),
            credentials: Some(Known(credentials())),
        },
        Event::Disabled {
            reason: code("requested"),
        },
        Event::Enabled,
        Event::CircuitOpened {
            reason: code("login_refused"),
            failures: 3,
            probe_at: datetime!(2026-01-02 03:04:05.678901 UTC),
            openings: 2,
            by,
        },
        Event::CircuitProbed {
            by,
            instance: id(5),
            deadline: datetime!(2026-01-02 03:04:05.678901 UTC),
        },
        Event::CircuitClosed { by },
    ]
}

fn delivery_events() -> Vec<delivery::Event> {
    use delivery::{CancelledReason, DoubtReason, Event, Plan, Reply, SuppressedReason};
    let at = datetime!(2026-01-02 03:04:05.678901 UTC);
    let plan = || Plan {
        cause: delivery::Cause::Publication(id(1)),
        content_version: 2,
        channel_id: id(3),
        subscriber_id: Some(id(4)),
        due_at: at,
        priority: -1,
    };
    vec![
        Event::Planned(plan()),
        Event::Attempted {
            attempt: 1,
            instance: id(5),
            deadline: at,
            subscriber_version: 6,
            channel_version: 7,
        },
        Event::Deferred {
            attempt: 1,
            reason: code("mailbox_full"),
            reply: Reply::new(452, Some("4.2.2 full")),
            retry_at: at,
            channel_down: false,
        },
        Event::Abandoned {
            attempt: 2,
            reason: code("too_late"),
            retry_at: at,
        },
        Event::InDoubt {
            attempt: 3,
            reason: DoubtReason::ReplyTimeout,
            retry_at: Some(at),
        },
        Event::Failed {
            attempt: 4,
            reason: code("mailbox_unknown"),
            reply: Reply::new(550, Some("5.1.1 unknown")),
        },
        Event::Sent {
            attempt: 3,
            reply: Reply::new(250, Some("2.0.0 queued")),
            provider_message_id: Some("abc".into()),
        },
        Event::Suppressed {
            reason: SuppressedReason::Unsubscribed,
        },
        Event::Cancelled {
            reason: CancelledReason::PublicationCancelled,
        },
        Event::Reopened {
            plan: plan(),
            planned_at: at,
            attempts: 4,
        },
    ]
}

fn delivery_reports() -> Vec<delivery::Event> {
    use delivery::{
        BounceClass, BounceReason, ComplaintKind, EnhancedStatus, Event, Feedback, FeedbackSource,
    };
    let at = datetime!(2026-01-02 03:04:05.678901 UTC);
    let reported = |feedback, source: FeedbackSource| Event::Reported {
        attempt: 2,
        feedback,
        reported_at: at,
        digest: [9; 32],
        source: code(source.as_str()),
    };
    vec![
        reported(Feedback::Delivered, FeedbackSource::Ses),
        reported(
            Feedback::bounced(
                BounceClass::Hard,
                BounceReason::NoSuchAddress,
                EnhancedStatus::parse("5.1.1").ok(),
                Some("550 5.1.1 unknown"),
            ),
            FeedbackSource::Dsn,
        ),
        reported(
            Feedback::Complained {
                kind: ComplaintKind::Abuse,
            },
            FeedbackSource::Ses,
        ),
    ]
}

fn import_events() -> Vec<subscriber_import::Event> {
    use subscriber_import::{Event, Rejected};
    vec![
        Event::Started {
            file_digest: [6; 32],
            lines: 3,
        },
        Event::Advanced {
            through: 3,
            accepted: 1,
            rejected: vec![Rejected::new(2, code("invalid_email"), Some("nobody,"))],
            existing: 1,
            suppressed: 0,
            suppressed_for: vec![],
        },
        Event::Completed {
            accepted: 1,
            rejected: 1,
            existing: 1,
            suppressed: 0,
        },
    ]
}

fn suppression_events() -> Vec<suppression::Event> {
    use suppression::{Event, Reason, Scope};
    vec![
        Event::Added {
            scope: Scope::Address,
            reason: Reason::HardBounce,
            delivery_id: Some(id(1)),
            value: Some(Known("ada@example.org".into())),
        },
        Event::Lifted {
            reasons: vec![Reason::HardBounce, Reason::Manual],
        },
    ]
}

fn golden_bytes(event_type: &str, shape: u32) -> Vec<u8> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{event_type}.v{shape}.hex"));
    let hex = std::fs::read_to_string(&path).unwrap_or_default();
    let digits = hex.trim().as_bytes();
    let digit = |b: u8| u8::try_from((b as char).to_digit(16).unwrap()).unwrap();
    digits
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks each event against its file; returns the types seen.
fn check<A: Aggregate>(events: &[A::Event]) -> Vec<&'static str>
where
    A::Event: PartialEq,
{
    check_shape::<A>(events, 1)
}

/// The same for events in a later shape, which have a file each of that number.
fn check_shape<A: Aggregate>(events: &[A::Event], shape: u32) -> Vec<&'static str>
where
    A::Event: PartialEq,
{
    let mut seen = vec![];
    for event in events {
        let wire = A::encode(event, &GlassVault);
        let event_type = wire.event_type();
        assert_eq!(event_type, A::event_type(event));
        assert!(event_type.starts_with(&format!("{}.", A::NOUN)));
        let golden = golden_bytes(event_type, shape);
        assert_eq!(hex(&wire.encode_to_vec()), hex(&golden), "{event_type}");
        let read = tidings_proto::Event::decode(event_type, golden.into()).unwrap();
        assert_eq!(
            A::decode(&read, &GlassVault).as_ref(),
            Ok(event),
            "{event_type}"
        );
        let erased = A::decode(&read, &ShreddedVault).unwrap();
        fold::<A>(&[events[0].clone(), erased]);
        seen.push(event_type);
    }
    seen
}

#[test]
fn every_event_reads_as_it_was_written() {
    let mut seen = BTreeSet::new();
    seen.extend(check::<publication::Publication>(&publication_events()));
    seen.extend(check::<channel::Channel>(&channel_events()));
    seen.extend(check::<subscriber::Subscriber>(
        &of_subscriber::subscriber_events(),
    ));
    seen.extend(check::<record::Record>(&of_subscriber::record_events()));
    seen.extend(check::<delivery::Delivery>(&delivery_events()));
    seen.extend(check::<delivery::Delivery>(&delivery_reports()));
    seen.extend(check::<subscriber_import::SubscriberImport>(
        &import_events(),
    ));
    seen.extend(check::<suppression::Suppression>(&suppression_events()));
    seen.extend(check::<access::Access>(&access_events()));
    seen.extend(check::<address::Address>(&address_events()));
    seen.extend(check::<api_key::ApiKey>(&api_key_events()));
    seen.extend(check::<log::Log>(&log_events()));
    seen.extend(check::<engagement::Engagement>(&engagement_events()));
    seen.extend(check::<engagement_period::EngagementPeriod>(
        &period_events(),
    ));
    seen.extend(check::<topic::Topic>(&choices::topic_events()));
    seen.extend(check::<segment::Segment>(&choices::segment_events()));
    let all: BTreeSet<_> = tidings_proto::EVENT_TYPES.iter().copied().collect();
    assert_eq!(seen, all, "every event type needs a golden file");
}

#[test]
fn an_event_of_another_stream_is_named() {
    let wire = address::Address::encode(&address_events()[0], &GlassVault);
    assert_eq!(
        channel::Channel::decode(&wire, &GlassVault),
        Err(CodecError::WrongStream {
            noun: "channel",
            found: "address.Claimed"
        })
    );
}

#[test]
fn an_impossible_field_is_named() {
    let wire = tidings_proto::address::Claimed {
        subscriber_id: vec![1, 2].into(),
    }
    .into();
    assert_eq!(
        address::Address::decode(&wire, &GlassVault),
        Err(CodecError::Field {
            event_type: "address.Claimed",
            field: "subscriber_id"
        })
    );
}

#[test]
fn a_value_sealed_for_another_field_is_not_taken() {
    let mut wire =
        subscriber::Subscriber::encode(&of_subscriber::subscriber_events()[0], &GlassVault);
    if let tidings_proto::Event::SubscriberSignedUp(event) = &mut wire {
        event.email = event.name.clone();
    }
    assert!(matches!(
        subscriber::Subscriber::decode(&wire, &GlassVault),
        Err(CodecError::Open(_))
    ));
}
