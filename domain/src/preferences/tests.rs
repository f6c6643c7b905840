//! What is taken, what is said of what is not, and when something may go out.

use proptest::prelude::*;
use time::Duration;
use time::macros::datetime;

use super::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn quiet(from: &str, to: &str, zone: &str) -> Preferences {
    let given = Given {
        quiet_from: text(from),
        quiet_to: text(to),
        zone: text(zone),
        ..Given::default()
    };
    Preferences::parse(&given).unwrap()
}

fn often(frequency: &str, hour: i64, zone: &str) -> Given {
    Given {
        frequency: text(frequency),
        hour: Some(hour),
        zone: text(zone),
        ..Given::default()
    }
}

#[test]
fn every_wrong_value_is_named() {
    let given = Given {
        weights: vec![("x".to_owned(), 1), (Uuid::nil().to_string(), 11)],
        frequency: text("hourly"),
        hour: Some(24),
        day: text("someday"),
        quiet_from: text("25:00"),
        quiet_to: text("7"),
        zone: text("Berlin"),
        language: text("german"),
        cap_messages: Some(0),
        cap_per: text("year"),
    };
    let wrong = Preferences::parse(&given).unwrap_err();
    let wrong: Vec<String> = wrong
        .iter()
        .map(|it| format!("{}: {}", it.field, it.detail))
        .collect();
    insta::assert_snapshot!(wrong.join("\n"));
}

#[test]
fn half_of_something_is_wrong_too() {
    let fields = |given: Given| -> Vec<String> {
        let wrong = Preferences::parse(&given).unwrap_err();
        wrong.into_iter().map(|it| it.field).collect()
    };
    let only_from = Given {
        quiet_from: text("22:00"),
        zone: text("UTC"),
        ..Given::default()
    };
    assert_eq!(fields(only_from), ["quiet_hours/to"]);
    let no_time = Given {
        quiet_from: text("22:00"),
        quiet_to: text("22:00"),
        zone: text("UTC"),
        ..Given::default()
    };
    assert_eq!(fields(no_time), ["quiet_hours/to"]);
    let no_zone = Given {
        zone: None,
        ..often("daily", 8, "")
    };
    assert_eq!(fields(no_zone), ["zone"]);
    let no_number = Given {
        cap_per: text("day"),
        ..Given::default()
    };
    assert_eq!(fields(no_number), ["frequency_cap/messages"]);
}

#[test]
fn a_language_is_written_in_one_way() {
    let written = |text: &str| Language::parse(text).map(|it| it.as_str().to_owned()).ok();
    assert_eq!(written("DE"), text("de"));
    assert_eq!(written("pt-br"), text("pt-BR"));
    assert_eq!(written("ZH-hant-tw"), text("zh-Hant-TW"));
    assert_eq!(written("es-419"), text("es-419"));
    for bad in [
        "",
        "d",
        "german",
        "de_DE",
        "de-",
        "de-x-private",
        "de-DE-DE",
    ] {
        assert_eq!(written(bad), None, "{bad}");
    }
}

#[test]
fn quiet_hours_move_it_to_the_morning_of_the_readers_clock() {
    let berlin = quiet("22:00", "07:00", "Europe/Berlin");
    let at = |now| berlin.not_before(now, now, false);
    // 23:30 and 02:00 there.
    let morning = datetime!(2026-03-02 06:00 UTC);
    assert_eq!(at(datetime!(2026-03-01 22:30 UTC)), morning);
    assert_eq!(at(datetime!(2026-03-02 01:00 UTC)), morning);
    assert_eq!(at(morning), morning);
    let noon = datetime!(2026-03-02 11:00 UTC);
    assert_eq!(at(noon), noon);
    assert_eq!(
        at(datetime!(2026-03-02 21:00 UTC)),
        datetime!(2026-03-03 06:00 UTC)
    );
    // The night clocks are put forward.
    assert_eq!(
        at(datetime!(2026-03-28 23:00 UTC)),
        datetime!(2026-03-29 05:00 UTC)
    );
}

#[test]
fn quiet_hours_that_end_where_clocks_change_end_once() {
    let berlin = quiet("22:00", "02:30", "Europe/Berlin");
    let at = |now| berlin.not_before(now, now, false);
    // There is no 02:30 in that night: the clock goes from 02:00 to 03:00.
    assert_eq!(
        at(datetime!(2026-03-29 00:30 UTC)),
        datetime!(2026-03-29 01:00 UTC)
    );
    // There are two: who is quiet at the second 02:15 is so until the second 02:30.
    assert_eq!(
        at(datetime!(2026-10-25 01:15 UTC)),
        datetime!(2026-10-25 01:30 UTC)
    );
    assert_eq!(
        at(datetime!(2026-10-24 23:00 UTC)),
        datetime!(2026-10-25 00:30 UTC)
    );
}

#[test]
fn what_is_daily_or_weekly_waits_for_its_hour() {
    let daily = Preferences::parse(&often("daily", 18, "America/New_York")).unwrap();
    let planned = datetime!(2026-03-02 12:00 UTC);
    let evening = datetime!(2026-03-02 23:00 UTC);
    assert_eq!(daily.not_before(planned, planned, false), evening);
    // A retry later than that goes out when it may.
    let later = datetime!(2026-03-03 03:00 UTC);
    assert_eq!(daily.not_before(planned, later, false), later);
    assert_eq!(daily.not_before(planned, planned, true), planned, "urgent");
    let weekly = Given {
        day: text("wednesday"),
        ..often("weekly", 7, "UTC")
    };
    let weekly = Preferences::parse(&weekly).unwrap();
    let wednesday = datetime!(2026-03-04 07:00 UTC);
    assert_eq!(weekly.not_before(planned, planned, false), wednesday);
    assert_eq!(weekly.not_before(wednesday, wednesday, false), wednesday);
    let after = wednesday + Duration::SECOND;
    assert_eq!(
        weekly.not_before(after, after, false),
        wednesday + Duration::WEEK
    );
}

#[test]
fn an_urgent_word_waits_for_quiet_hours_too_and_an_hour_within_them_for_their_end() {
    let both = Given {
        quiet_from: text("22:00"),
        quiet_to: text("07:00"),
        ..often("daily", 6, "UTC")
    };
    let both = Preferences::parse(&both).unwrap();
    let night = datetime!(2026-03-02 23:00 UTC);
    let morning = datetime!(2026-03-03 07:00 UTC);
    assert_eq!(both.not_before(night, night, true), morning);
    assert_eq!(both.not_before(night, night, false), morning);
}

#[test]
fn what_is_on_record_of_a_later_release_is_passed_over() {
    let text = r#"{"frequency":{"kind":"hourly"},"zone":"Mars/Base","mood":1,"quiet_hours":{"from":"22:00","to":"07:00"}}"#;
    let preferences = Preferences::recorded(text).unwrap();
    assert_eq!(preferences.frequency(), Frequency::AtOnce);
    assert_eq!(preferences.zone().map(Zone::name), Some("Mars/Base"));
    let now = datetime!(2026-03-02 23:00 UTC);
    assert_eq!(preferences.not_before(now, now, false), now);
    assert_eq!(Preferences::recorded("[]"), None);
}

const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Australia/Lord_Howe",
];

fn clock() -> impl Strategy<Value = String> {
    (0..24_u8, 0..60_u8).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"))
}

fn any_preferences() -> impl Strategy<Value = Preferences> {
    let frequency = (
        prop::sample::select(&["at_once", "daily", "weekly"][..]),
        0..24_i64,
    );
    let parts = (
        frequency,
        clock(),
        clock(),
        any::<bool>(),
        prop::sample::select(&ZONES[..]),
    );
    parts.prop_filter_map("quiet all day", |((kind, hour), from, to, quiet, zone)| {
        let given = Given {
            quiet_from: quiet.then_some(from),
            quiet_to: quiet.then_some(to),
            language: text("de"),
            cap_messages: Some(hour + 1),
            weights: vec![(Uuid::nil().to_string(), 5)],
            ..often(kind, hour, zone)
        };
        Preferences::parse(&given).ok()
    })
}

#[test]
fn a_cap_has_room_once_enough_of_what_they_got_is_long_enough_ago() {
    let given = Given {
        cap_messages: Some(2),
        cap_per: text("day"),
        ..Given::default()
    };
    let preferences = Preferences::parse(&given).unwrap();
    let at = |hour: i64| datetime!(2026-03-02 00:00 UTC) + Duration::hours(hour);
    let room = |got: &[i64], since: i64, now: i64, weight: u8| {
        let got: Vec<OffsetDateTime> = got.iter().map(|hour| at(*hour)).collect();
        preferences.room(&got, Some(at(since)), at(now), weight)
    };
    assert_eq!(room(&[], 0, 0, 5), Room::Now);
    assert_eq!(room(&[9], 9, 10, 5), Room::Now);
    assert_eq!(room(&[9, 3], 9, 10, 10), Room::At(at(27)));
    assert_eq!(
        room(&[9, 3], 9, 10, 0),
        Room::At(at(27) + Duration::seconds(10))
    );
    assert_eq!(room(&[9, 3, 8], 9, 10, 10), Room::At(at(32)));
    assert_eq!(room(&[9, 3], 9, 27, 5), Room::Now);
    assert_eq!(
        room(&[20, 21], 10, 30, 5),
        Room::At(at(35)),
        "there will be no room"
    );
    assert_eq!(room(&[20, 21], 10, 35, 5), Room::Never);
    // Whoever could not send for days has not waited for room.
    let late = preferences.room(&[at(99), at(99)], None, at(100), 10);
    assert_eq!(late, Room::At(at(123)));
    assert_eq!(
        Preferences::default().room(&[at(1)], None, at(1), 5),
        Room::Now
    );
}

#[test]
fn what_is_about_several_topics_matters_as_the_one_that_matters_most() {
    let [low, high, unsaid] = [1, 2, 3].map(Uuid::from_u128);
    let given = Given {
        weights: vec![(low.to_string(), 1), (high.to_string(), 9)],
        ..Given::default()
    };
    let preferences = Preferences::parse(&given).unwrap();
    let weight = |topics: &[Uuid]| preferences.weight_of(topics.iter().copied());
    assert_eq!(
        [
            weight(&[low]),
            weight(&[low, high]),
            weight(&[low, unsaid]),
            weight(&[])
        ],
        [1, 9, 5, 5]
    );
}

proptest! {
    /// Whatever is sent as soon as there is room, there are never more in any time of that length.
    #[test]
    fn a_cap_is_kept(messages in 1..5_u16, gaps in prop::collection::vec(0..2_000_i64, 1..40)) {
        let cap = Cap { messages, per: CapPeriod::Day };
        let mut wanted = datetime!(2026-03-02 00:00 UTC);
        let mut got: Vec<OffsetDateTime> = Vec::new();
        for gap in gaps {
            wanted += Duration::minutes(gap);
            got.push(cap.room_at(&got, wanted));
        }
        for (n, at) in got.iter().enumerate() {
            let within = got[n..].iter().filter(|later| **later - *at < cap.period());
            prop_assert!(within.count() <= usize::from(messages));
        }
    }

    #[test]
    fn what_is_recorded_is_read_again(preferences in any_preferences()) {
        let again = Preferences::recorded(&preferences.to_json()).unwrap();
        prop_assert_eq!(again.changed_since(&preferences), []);
        prop_assert_eq!(Preferences::parse(&Given::of(&preferences)), Ok(preferences.clone()));
        prop_assert_eq!(again, preferences);
    }

    #[test]
    fn nothing_goes_out_in_quiet_hours_too_early_or_much_too_late(
        preferences in any_preferences(),
        minutes in 0..1_000_000_i64,
        waited in 0..5_000_i64,
        urgent: bool,
    ) {
        let planned = datetime!(2026-01-01 00:00 UTC) + Duration::minutes(minutes);
        let now = planned + Duration::minutes(waited);
        let at = preferences.not_before(planned, now, urgent);
        prop_assert!(at >= now);
        let wait = match preferences.frequency() {
            _ if urgent => Duration::ZERO,
            Frequency::AtOnce => Duration::ZERO,
            Frequency::Daily { .. } => Duration::DAY,
            Frequency::Weekly { .. } => Duration::WEEK,
        };
        // Some days are longer, and Apia once left one out.
        prop_assert!(at - now <= wait + Duration::DAY + Duration::hours(2), "{at}");
        let clock = preferences.zone().unwrap().clock_at(at).unwrap();
        let quiet = preferences.quiet_hours();
        prop_assert!(!quiet.is_some_and(|quiet| quiet.hold_at(clock)), "{at}");
        prop_assert_eq!(preferences.not_before(planned, at, urgent), at, "it is stable");
    }
}
