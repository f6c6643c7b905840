//! What is recorded of hits, and what kind of program makes them.

use uuid::Uuid;

use super::{Agent, Engagement, Event, Hit, RULES};
use crate::aggregate::Aggregate as _;
use crate::delivery::Cause;
use crate::personal::Personal::Known;
use crate::testing::GlassVault;
use crate::value::{Code, Evidence, Month};

fn opened(machine: bool) -> Event {
    Event::Opened(Hit {
        cause: Cause::Publication(Uuid::from_u128(1)),
        content_version: 1,
        channel_id: Uuid::from_u128(2),
        delivery_id: Uuid::from_u128(3),
        subscriber_id: Uuid::from_u128(4),
        month: Month::parse("2026-09").unwrap(),
        agent: Code::from_static(Agent::Reader.as_str()),
        machine,
        rules: RULES,
        evidence: None,
    })
}

#[test]
fn machines_leave_room_for_people_and_nobody_fills_the_log() {
    let takes = |version, machine| {
        let Ok(events) = Engagement::at(version).decide(opened(machine));
        events.len()
    };
    assert_eq!([takes(0, true), takes(0, false)], [1, 1]);
    assert_eq!([takes(99, true), takes(100, true)], [1, 0]);
    assert_eq!(
        [takes(100, false), takes(199, false), takes(200, false)],
        [1, 1, 0]
    );
}

#[test]
fn programs_are_known_by_what_they_say_of_themselves() {
    let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36";
    let gmail =
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
    let table = [
        (Some(chrome), None, Agent::Reader),
        (Some("Thunderbird/140.0"), None, Agent::Reader),
        (Some(gmail), None, Agent::Proxy),
        (
            Some("YahooMailProxy; https://help.yahoo.com/kb/x"),
            None,
            Agent::Proxy,
        ),
        (Some("Mozilla/5.0"), None, Agent::Prefetch),
        (Some(chrome), Some("prefetch;prerender"), Agent::Prefetch),
        (
            Some("Mozilla/5.0 (compatible; bingbot/2.0)"),
            None,
            Agent::Scanner,
        ),
        (Some("python-requests/2.32"), None, Agent::Scanner),
        (
            Some("Mozilla/5.0 (Linux; Android 14; CUBOT P80) Mobile"),
            None,
            Agent::Reader,
        ),
        (Some("  "), None, Agent::Unknown),
        (None, None, Agent::Unknown),
    ];
    for (user_agent, purpose, expected) in table {
        assert_eq!(
            Agent::judge(user_agent, purpose),
            expected,
            "{user_agent:?}"
        );
    }
    let machines: Vec<_> = Agent::ALL.iter().filter(|it| it.is_machine()).collect();
    assert_eq!(
        machines,
        [&Agent::Prefetch, &Agent::Scanner, &Agent::Unknown]
    );
}

#[test]
fn the_length_of_evidence_does_not_tell_which_link_it_was() {
    let length = |url: &str| {
        let Event::Opened(hit) = opened(false) else {
            unreachable!()
        };
        let hit = Hit {
            evidence: Some(Known(Evidence::of_click("Browser/7", url))),
            ..hit
        };
        let event = Event::Clicked { hit, link_id: None };
        let tidings_proto::Event::EngagementClicked(wire) = Engagement::encode(&event, &GlassVault)
        else {
            unreachable!()
        };
        wire.evidence.unwrap().ciphertext.len() - "evidence=".len()
    };
    assert_eq!(length("https://example.org/"), 511);
    assert_eq!(
        length(&format!("https://example.org/{}", "a".repeat(400))),
        511
    );
    assert_eq!(
        length(&format!("https://example.org/{}", "a".repeat(500))),
        1_023
    );
}
