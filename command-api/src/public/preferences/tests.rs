//! The page for the eye and the ear, and what a form comes to.

mod stale;

use actix_web::HttpResponse;
use actix_web::body::to_bytes;
use tidings_domain::aggregate::fold;
use tidings_domain::personal::Personal;
use tidings_domain::preferences::{CapPeriod, Frequency, Given, Preferences, Wrong};
use tidings_domain::schedule::Zone;
use tidings_domain::subscriber::{Confirmation, PreferencesMethod, Source};
use tidings_domain::topic::ByDefault;
use tidings_domain::value::{Code, EmailAddress};
use time::Date;
use time::macros::date;
use uuid::Uuid;

use super::entry::Entry;
use super::page::{Word, show};
use super::shown::Shown;
use super::wished::Wished;
use super::*;
use crate::offers::{OfferedChannel, OfferedTopic};

const MARKETS: Uuid = Uuid::from_u128(1);
const COUNCIL: Uuid = Uuid::from_u128(2);
const MAIL: Uuid = Uuid::from_u128(3);

fn offer() -> Offer {
    let topic = |id, name: &str, by_default, description: Option<&str>| OfferedTopic {
        id,
        name: name.to_owned(),
        description: description.map(str::to_owned),
        by_default,
    };
    Offer {
        topics: vec![
            topic(COUNCIL, "City & council", true, None),
            topic(MARKETS, "Markets", false, Some("Prices, \"every\" evening")),
        ],
        channels: vec![OfferedChannel {
            id: MAIL,
            name: "Newsletter".to_owned(),
        }],
    }
}

fn ada() -> Subscriber {
    signed_up(Confirmation::NotRequired)
}

fn pending() -> Subscriber {
    signed_up(Confirmation::Pending(Code::from_static("required")))
}

fn signed_up(confirmation: Confirmation) -> Subscriber {
    fold(&[Event::SignedUp {
        email: Personal::Known(EmailAddress::parse("ada@example.org").unwrap()),
        name: None,
        attributes: None,
        address_id: Uuid::nil(),
        address_suppression_id: Uuid::nil(),
        domain_suppression_id: Uuid::nil(),
        source: Source::Api,
        import_id: None,
        confirmation,
        consent: None,
        evidence: None,
    }])
}

fn known(state: &Subscriber, held: Held) -> Known {
    Known {
        version: 1,
        loaded: Loaded::known(link().subscriber_id, state.clone(), 1),
        offer: offer(),
        held,
    }
}

fn link() -> PreferencesLink {
    PreferencesLink {
        subscriber_id: Uuid::from_u128(9),
        delivery_id: None,
        address_suppression_id: Uuid::from_u128(8),
        issued: date!(2026 - 01 - 02),
    }
}

fn wished(state: &Subscriber, form: &str, today: Date) -> Result<Wished, Vec<Wrong>> {
    let entry = Entry::read(form.as_bytes());
    let wish = entry.wish.unwrap();
    wishes(state, &offer(), (wish, &entry), (&link(), today), None)
}

/// What somebody comes to who sends this form.
fn after(state: &Subscriber, form: &str) -> Result<(Subscriber, usize), Vec<Wrong>> {
    let mut after = (state.clone(), 0);
    for command in wished(state, form, date!(2026 - 01 - 03))?.commands {
        for event in after.0.decide(command).unwrap() {
            after = (after.0.evolve(&event), after.1 + 1);
        }
    }
    Ok(after)
}

async fn text(response: HttpResponse) -> String {
    String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap()
}

/// What stands between the head and the foot that all pages have.
async fn body(shown: &Shown, word: Word<'_>) -> String {
    let page = text(show(shown, word, "")).await;
    assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("src="));
    let (_, body) = page.split_once("<main>").unwrap();
    body.to_owned()
}

#[actix_web::test]
async fn the_page_shows_what_is_on_record_and_not_who_it_is() {
    let page = body(&Shown::new(&ada(), &offer()), Word::None).await;
    assert!(!page.contains("ada"));
    insta::assert_snapshot!(page);
}

#[actix_web::test]
async fn by_a_link_to_an_address_that_is_not_theirs_nothing_is_seen_of_what_they_chose() {
    let (other, _) = after(&ada(), &format!("offered_topic={COUNCIL}&language=de")).unwrap();
    let (left, _) = after(&other, "do=leave").unwrap();
    let mut pages = Vec::new();
    for state in [ada(), other, left] {
        let profile = state.profile().unwrap();
        assert!(
            profile.former.is_empty(),
            "a restore may have lost the change"
        );
        // Nor whether anything is sent to the address they have.
        let held = [Held::No, Held::Ask(None), Held::UntilSignUp][pages.len()].clone();
        let known = known(&state, held);
        pages.push(text(page_of(&state, &known, (&link(), Word::None), None)).await);
    }
    assert!(pages.iter().all(|page| *page == pages[0]));
    let page = &pages[0];
    assert!(
        page.contains(r#"value="leave""#) && !page.contains(r#"value="back""#),
        "{page}"
    );
    for shown in [
        "City",
        "Markets",
        "Newsletter",
        "language",
        "zone",
        r#"value="save""#,
    ] {
        assert!(!page.contains(shown), "{shown}: {page}");
    }
    let present = PreferencesLink {
        address_suppression_id: Uuid::nil(),
        ..link()
    };
    let page = text(page_of(
        &ada(),
        &known(&ada(), Held::No),
        (&present, Word::None),
        None,
    ))
    .await;
    assert!(page.contains("Markets"));
    let former = page_of(
        &ada(),
        &known(&ada(), Held::No),
        (&link(), Word::Former),
        None,
    );
    assert_eq!(former.status(), 410);
}

#[actix_web::test]
async fn what_is_wrong_stands_beside_its_field_with_what_was_entered() {
    let form = format!(
        "frequency=daily&hour=8&zone=%22%3EBerlin&language=d&offered_topic={COUNCIL}&weight_{COUNCIL}=no&weight_{MARKETS}=more"
    );
    let wrong = after(&ada(), &form).unwrap_err();
    let shown = Shown::new(&ada(), &offer()).with(&Entry::read(form.as_bytes()));
    let response = show(&shown, Word::Wrong(&wrong), "");
    assert_eq!(response.status(), 422);
    insta::assert_snapshot!(body(&shown, Word::Wrong(&wrong)).await);
}

/// What the page sends that shows this: the council and mail ticked, markets not.
fn seen() -> String {
    let offered = format!("offered_topic={COUNCIL}&offered_topic={MARKETS}&offered_channel={MAIL}");
    format!("{offered}&was_topic_{COUNCIL}=on&was_topic_{MARKETS}=off&was_channel_{MAIL}=on")
}

#[test]
fn only_what_its_reader_has_changed_and_is_not_so_already_is_said() {
    let seen = seen();
    let (same, events) = after(&ada(), &format!("{seen}&topic={COUNCIL}&channel={MAIL}")).unwrap();
    assert_eq!((same, events), (ada(), 0), "silence stays silence");
    let other_way = format!("{seen}&topic={MARKETS}");
    let (other, events) = after(&ada(), &other_way).unwrap();
    let choices = &other.profile().unwrap().choices;
    assert_eq!(events, 3);
    assert!(choices.wants(MARKETS, ByDefault::Out) && !choices.wants(COUNCIL, ByDefault::In));
    assert!(choices.has_left_channel(MAIL));
    assert_eq!(after(&other, &other_way).unwrap().1, 0, "it is so already");
    // A form from before there was the topic, and what is no form at all.
    for form in ["do=save", "", "\u{0}"] {
        assert_eq!(after(&ada(), form).unwrap(), (ada(), 0), "{form:?}");
    }
}

#[test]
fn how_much_a_topic_matters_is_said_in_steps_and_what_was_said_more_precisely_is_kept() {
    let said = |state: &Subscriber, form: &str| {
        let (after, events) = after(state, form).unwrap();
        let preferences = after.profile().unwrap().preferences.clone();
        let weights = preferences.map(|it| it.known().unwrap().weights().clone());
        (after, events, weights.unwrap_or_default())
    };
    let fields = |markets: &str| format!("weight_{MARKETS}={markets}&weight_{COUNCIL}=usual");
    let (more, events, weights) = said(&ada(), &fields("more"));
    assert_eq!((events, weights), (1, [(MARKETS, 8)].into()));
    assert_eq!(said(&more, &fields("more")).1, 0, "it is so already");
    let (_, _, weights) = said(&more, &fields("less"));
    assert_eq!(weights, [(MARKETS, 2)].into());
    assert_eq!(said(&more, &fields("usual")).2, [].into());
    // Nothing is said by a form without the field, nor of a topic that is not offered.
    assert_eq!(said(&more, "do=save").1, 0);
    let other = Uuid::from_u128(77);
    assert_eq!(said(&more, &format!("weight_{other}=more")).1, 0);

    let given = Given {
        weights: vec![(MARKETS.to_string(), 7), (other.to_string(), 1)],
        ..Given::default()
    };
    let precise = ada().evolve(&Event::PreferencesChanged {
        preferences: Personal::Known(Preferences::parse(&given).unwrap()),
        changed: vec![],
        method: PreferencesMethod::Api,
        evidence: None,
    });
    assert_eq!(said(&precise, &fields("more")).1, 0, "7 is more than usual");
    let wrong = after(&ada(), &fields("explode")).unwrap_err();
    assert_eq!(wrong[0].field, format!("topics/{MARKETS}"));
    assert_eq!(wrong.len(), 1);
    // What else is wrong is told beside it.
    let wrong = after(&ada(), &format!("{}&language=d", fields("explode"))).unwrap_err();
    assert_eq!(wrong.len(), 2);
}

#[actix_web::test]
async fn a_wish_that_the_page_does_not_offer_is_refused_in_words() {
    let entry = Entry::read(b"do=explode&frequency=daily&zone=UTC");
    let today = date!(2026 - 01 - 03);
    let word = wish(&entry, &link(), today).err().unwrap();
    let response = show(&Shown::new(&ada(), &offer()), word, "");
    assert_eq!(response.status(), 422);
    let page = text(response).await;
    assert!(
        page.contains("Nothing was changed.") && !page.contains("Saved"),
        "{page}"
    );
    for said in ["do=save", "do=leave", "do=back", ""] {
        assert!(wish(&Entry::read(said.as_bytes()), &link(), today).is_ok());
    }
}

#[test]
fn everything_is_left_and_come_back_to() {
    let (left, _) = after(&ada(), "do=leave").unwrap();
    assert_eq!(left.standing(), Standing::Unsubscribed);
    let (back, _) = after(&left, "do=back&departures=1").unwrap();
    assert_eq!(back.standing(), Standing::Active);
}

#[test]
fn what_the_page_does_not_show_stays() {
    let given = Given {
        weights: vec![(MARKETS.to_string(), 7)],
        cap_messages: Some(3),
        cap_per: Some("week".to_owned()),
        ..Given::default()
    };
    let before = Preferences::parse(&given).unwrap();
    let form = "frequency=weekly&day=friday&hour=17&zone=europe%2Fkyiv&quiet_from=&quiet_to=";
    let after = Entry::read(form.as_bytes())
        .preferences(&before, &[])
        .unwrap();
    assert_eq!(
        (after.weights(), after.cap()),
        (before.weights(), before.cap())
    );
    assert!(matches!(
        after.frequency(),
        Frequency::Weekly { hour: 17, .. }
    ));
    assert_eq!(after.zone().map(Zone::name), Some("Europe/Kyiv"));
    let capped = |form: &str| {
        let after = Entry::read(form.as_bytes())
            .preferences(&before, &[])
            .unwrap();
        after.cap().map(|it| (it.messages, it.per))
    };
    assert_eq!(
        capped("cap_messages=2&cap_per=day"),
        Some((2, CapPeriod::Day))
    );
    assert_eq!(capped("cap_messages=2"), Some((2, CapPeriod::Week)));
    assert_eq!(capped("cap_messages=&cap_per=day"), None);
    let wrong = Entry::read(b"cap_messages=many&cap_per=day").preferences(&before, &[]);
    assert_eq!(wrong.unwrap_err()[0].field, "frequency_cap/messages");
    // The page itself, sent back as it is, changes nothing.
    assert_eq!(Entry::read(b"").preferences(&after, &[]), Ok(after));
}

#[actix_web::test]
async fn who_may_have_what_is_held_about_them_finds_how_on_the_page_and_nobody_else_does() {
    let key = LinkKey::new(1, [7; 32]);
    let contact = "privacy@example.org, <1> Quay Street";
    let asking = Some(Asking { contact, key: &key });
    let present = PreferencesLink {
        address_suppression_id: Uuid::nil(),
        ..link()
    };
    let action = format!("action=\"{}/own-data\"", present.sign(&key));
    let with = async |state: &Subscriber, link: &PreferencesLink, asking| {
        let page = text(page_of(
            state,
            &known(state, Held::No),
            (link, Word::None),
            asking,
        ))
        .await;
        let told = page.contains("privacy@example.org, &lt;1&gt; Quay Street");
        assert_eq!(page.contains(&action), told, "{page}");
        told
    };
    let (left, _) = after(&ada(), "do=leave").unwrap();
    assert_eq!(left.standing(), Standing::Unsubscribed);
    assert!(with(&ada(), &present, asking).await && with(&left, &present, asking).await);
    assert!(!with(&ada(), &present, None).await, "not configured");
    assert!(!with(&ada(), &link(), asking).await, "a former address");
    assert!(!with(&pending(), &present, asking).await, "not confirmed");
}

#[actix_web::test]
async fn whoever_gets_nothing_is_told_so_and_what_ends_it() {
    let shown = |held: Held| Shown::new(&ada(), &offer()).under(held);
    let page = body(&shown(Held::UntilSignUp), Word::Saved).await;
    let says = |page: &str, text: &str| assert!(page.contains(text), "{page}");
    says(&page, "Nothing is sent to your address at present");
    says(&page, r#"<a href="../join">sign up with it</a>"#);
    says(&page, "for when something is sent to you again");
    assert!(!page.contains("from the next message on"), "{page}");
    let contact = Held::Ask(Some("desk@<news>.example".to_owned()));
    let page = body(&shown(contact), Word::None).await;
    says(&page, "ask desk@&lt;news&gt;.example.");
    assert!(!page.contains("../join"), "it would change nothing: {page}");
    let page = body(&shown(Held::Ask(None)), Word::None).await;
    says(&page, "ask whoever sends you our mails");
    let page = body(&shown(Held::No), Word::Saved).await;
    assert!(!page.contains("Nothing is sent to your address"), "{page}");
}

#[actix_web::test]
async fn who_leaves_while_nothing_is_sent_is_not_offered_what_would_change_nothing() {
    let (left, _) = after(&ada(), "do=leave").unwrap();
    let shown = |held: Held| Shown::new(&left, &offer()).under(held);
    let back = r#"value="back""#;
    for held in [Held::UntilSignUp, Held::Ask(None)] {
        let page = body(&shown(held), Word::Said).await;
        assert!(page.contains("<strong>Saved.</strong></p>"), "{page}");
        assert!(page.contains("You have left everything"), "{page}");
        for wrong in [back, "sent to you again", "from the next message on"] {
            assert!(!page.contains(wrong), "{wrong}: {page}");
        }
    }
    let page = body(&shown(Held::No), Word::Said).await;
    assert!(page.contains(back) && page.contains("from the next message on"));
}
