//! What a page comes to that was shown before something was said elsewhere, by a link in a mail or in another window.

use tidings_domain::subscriber::{ResubscribeMethod, UnsubscribeMethod, What};

use super::*;

fn say(state: &Subscriber, what: What, wanted: bool) -> Subscriber {
    let event = match wanted {
        true => Event::Resubscribed {
            method: ResubscribeMethod::Api,
            evidence: None,
            what,
        },
        false => Event::Unsubscribed {
            method: UnsubscribeMethod::OneClick,
            delivery_id: None,
            evidence: None,
            what,
        },
    };
    state.clone().evolve(&event)
}

fn preferring(given: &Given) -> Subscriber {
    ada().evolve(&Event::PreferencesChanged {
        preferences: Personal::Known(Preferences::parse(given).unwrap()),
        changed: vec![],
        method: PreferencesMethod::Api,
        evidence: None,
    })
}

fn preferences(state: &Subscriber) -> Preferences {
    let stored = state.profile().unwrap().preferences.clone();
    stored.unwrap().known().unwrap().clone()
}

/// What a browser sends of a page on which this is changed: of each field, its new text.
async fn sent(state: &Subscriber, changes: &[(&str, &str)]) -> String {
    let page = body(&Shown::new(state, &offer()), Word::None).await;
    let (_, form) = page
        .split_once(r#"<form method="post" autocomplete="off">"#)
        .unwrap();
    let (form, _) = form.split_once("</form>").unwrap();
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut select = String::new();
    for tag in form.split('<') {
        let tag = tag.split('>').next().unwrap();
        let value = attribute(tag, "value").unwrap_or_default();
        if let Some(name) = attribute(tag, "name").filter(|_| tag.starts_with("select")) {
            select = name;
        }
        let chosen = tag.contains(" checked");
        let is_box = tag.contains(r#"type="checkbox""#) || tag.contains(r#"type="radio""#);
        match attribute(tag, "name") {
            Some(name) if tag.starts_with("input") && (chosen || !is_box) => {
                fields.push((name, value));
            }
            None if tag.starts_with("option") && tag.contains(" selected") => {
                fields.push((select.clone(), value));
            }
            _ => {}
        }
    }
    for (name, text) in changes {
        fields.retain(|(field, _)| field != name);
        fields.push(((*name).to_owned(), (*text).to_owned()));
    }
    let encoded = fields.iter().map(|(name, text)| {
        let text = text.replace('/', "%2F").replace(':', "%3A");
        format!("{name}={text}")
    });
    encoded.collect::<Vec<_>>().join("&")
}

#[actix_web::test]
async fn what_was_left_after_the_page_was_shown_is_not_come_back_to_by_saving_it() {
    let untouched = sent(&ada(), &[("language", "de")]).await;
    let council = What::Topic(COUNCIL);
    for left in [council, What::Channel(MAIL)] {
        let state = say(&ada(), left, false);
        let (after, events) = after(&state, &untouched).unwrap();
        let choices = |state: &Subscriber| state.profile().unwrap().choices.clone();
        assert_eq!(
            (choices(&after), events),
            (choices(&state), 1),
            "the language"
        );
        let wished = wished(&state, &untouched, date!(2026 - 01 - 03)).unwrap();
        assert_eq!(wished.but, None, "nothing else was asked for");
    }
    // Nor is what was asked for since left by it.
    let state = say(&ada(), What::Topic(MARKETS), true);
    assert!(
        after(&state, &untouched)
            .unwrap()
            .0
            .profile()
            .unwrap()
            .choices
            .wants(MARKETS, ByDefault::Out)
    );
    // Who ticks it themselves comes back.
    let left = say(&ada(), council, false);
    let ticked = format!("{}&topic={COUNCIL}", sent(&left, &[]).await);
    let (back, _) = after(&left, &ticked).unwrap();
    assert!(
        back.profile()
            .unwrap()
            .choices
            .wants(COUNCIL, ByDefault::Out)
    );
}

#[test]
fn a_form_that_does_not_tell_how_it_was_shown_leaves_and_brings_nothing_back() {
    let state = say(&ada(), What::Channel(MAIL), false);
    let form = format!(
        "offered_topic={COUNCIL}&offered_topic={MARKETS}&topic={MARKETS}&offered_channel={MAIL}&channel={MAIL}&language=de"
    );
    let (after, events) = after(&state, &form).unwrap();
    let choices = &after.profile().unwrap().choices;
    assert!(!choices.wants(COUNCIL, ByDefault::In), "left");
    assert!(!choices.wants(MARKETS, ByDefault::Out) && choices.has_left_channel(MAIL));
    assert_eq!(events, 2, "it is left, and the language");
    let today = date!(2026 - 01 - 03);
    assert_eq!(
        wished(&state, &form, today).unwrap().but,
        Some(Word::StaysLeft)
    );
    // What is wanted already need not be asked for.
    let form = format!("offered_topic={COUNCIL}&topic={COUNCIL}");
    assert_eq!(wished(&state, &form, today).unwrap().but, None);
    let strange = format!("{form}&was_topic_{COUNCIL}=explode");
    let left = say(&ada(), What::Topic(COUNCIL), false);
    assert_eq!(
        wished(&left, &strange, today).unwrap().but,
        Some(Word::StaysLeft)
    );
}

#[actix_web::test]
async fn by_a_link_of_long_ago_topics_and_channels_are_left_and_not_come_back_to() {
    let form = format!("{}&topic={MARKETS}&channel={MAIL}", seen());
    let last = date!(2026 - 02 - 01);
    let on_the_last = wished(&ada(), &form, last).unwrap();
    assert_eq!((on_the_last.commands.len(), on_the_last.but), (3, None));
    let late = wished(&ada(), &form, last.next_day().unwrap()).unwrap();
    assert_eq!(late.but, Some(Word::OnlyLeaves));
    assert!(
        late.commands
            .iter()
            .all(|it| !matches!(it, Command::Resubscribe { .. }))
    );
    assert!(
        late.commands
            .iter()
            .any(|it| matches!(it, Command::Unsubscribe { .. }))
    );
    let response = show(&Shown::new(&ada(), &offer()), Word::OnlyLeaves, "");
    assert_eq!(response.status(), 410);
    let page = text(response).await;
    assert!(page.contains("Not all was changed.") && page.contains("older than 30 days"));
}

#[actix_web::test]
async fn coming_back_is_of_the_page_that_said_what_was_left() {
    let left = say(&ada(), What::Everything, false);
    let page = body(&Shown::new(&left, &offer()), Word::None).await;
    assert!(page.contains(r#"name="departures" value="1""#), "{page}");
    let again = say(&say(&left, What::Everything, true), What::Everything, false);
    let today = date!(2026 - 01 - 03);
    for (state, form) in [
        (&again, "do=back&departures=1"),
        (&left, "do=back"),
        (&left, "do=back&departures=no"),
    ] {
        let wished = wished(state, form, today).unwrap();
        assert_eq!(
            (wished.commands.len(), wished.but),
            (0, Some(Word::LeftSince)),
            "{form}"
        );
    }
    let (back, _) = after(&again, "do=back&departures=2").unwrap();
    assert_eq!(back.standing(), Standing::Active);
    // It is so already: nobody is told that nothing was changed.
    assert_eq!(
        wished(&back, "do=back&departures=1", today).unwrap().but,
        None
    );
    for word in [Word::LeftSince, Word::StaysLeft] {
        assert_eq!(show(&Shown::new(&again, &offer()), word, "").status(), 409);
    }
}

#[actix_web::test]
async fn a_stale_page_overwrites_only_what_was_changed_on_it() {
    let since = preferring(&Given {
        weights: vec![(MARKETS.to_string(), 8)],
        frequency: Some("weekly".to_owned()),
        hour: Some(17),
        day: Some("friday".to_owned()),
        quiet_from: Some("22:00".to_owned()),
        quiet_to: Some("07:00".to_owned()),
        zone: Some("Europe/Kyiv".to_owned()),
        language: Some("uk".to_owned()),
        cap_messages: Some(3),
        cap_per: Some("day".to_owned()),
    });
    let of = |form: &str| after(&since, form).unwrap();
    assert_eq!(of(&sent(&ada(), &[]).await).1, 0);
    assert_eq!(after(&since, &sent(&since, &[]).await).unwrap().1, 0);
    let parts = |after: &Subscriber| preferences(after).changed_since(&preferences(&since));
    for (field, text, changed) in [
        ("frequency", "daily", "frequency"),
        ("zone", "Europe/Berlin", "zone"),
        ("language", "de", "language"),
        ("cap_messages", "9", "frequency_cap"),
        (&format!("weight_{COUNCIL}"), "less", "topics"),
    ] {
        let (after, _) = of(&sent(&ada(), &[(field, text)]).await);
        let changed_parts = parts(&after)
            .iter()
            .map(|it| it.as_str())
            .collect::<Vec<_>>();
        assert_eq!(changed_parts, [changed], "{field}");
    }
    // An hour is what was seen beside it, and so is the time that a number is counted in.
    let (daily, _) = of(&sent(&ada(), &[("frequency", "daily")]).await);
    assert_eq!(
        preferences(&daily).frequency(),
        Frequency::Daily { hour: 8 }
    );
    let (capped, _) = of(&sent(&ada(), &[("cap_messages", "9")]).await);
    assert_eq!(
        preferences(&capped).cap().map(|it| it.per),
        Some(CapPeriod::Week)
    );
    // What is emptied is emptied.
    let (none, _) = after(
        &since,
        &sent(&since, &[("language", ""), ("cap_messages", "")]).await,
    )
    .unwrap();
    assert_eq!(
        (preferences(&none).language(), preferences(&none).cap()),
        (None, None)
    );
}

#[actix_web::test]
async fn a_page_with_something_wrong_shows_what_was_entered_and_is_judged_by_what_is_on_record() {
    let left = say(&ada(), What::Topic(COUNCIL), false);
    let form = sent(&ada(), &[("language", "d")]).await + &format!("&topic={MARKETS}");
    let wrong = after(&left, &form).unwrap_err();
    let shown = Shown::new(&left, &offer()).with(&Entry::read(form.as_bytes()));
    let page = body(&shown, Word::Wrong(&wrong)).await;
    let ticked = |id: Uuid| page.contains(&format!(r#"name="topic" value="{id}" checked"#));
    assert!(ticked(MARKETS) && !ticked(COUNCIL), "left since: {page}");
    for was in [COUNCIL, MARKETS] {
        assert!(page.contains(&format!(r#"name="was_topic_{was}" value="off""#)));
    }
    assert!(page.contains(r#"name="was_language" value="""#), "{page}");
}
