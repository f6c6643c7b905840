//! How and when readers get what they get, by their own clocks. The clock of the tests begins at 09:00 UTC on 2 March.

mod noted;
mod open;
mod refused;
mod told;

use std::sync::Arc;
use std::time::Duration;

use actix_web::App;
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web;
use serde_json::{Value, json};
use tidings_command_api::{Offer, OfferedTopic, recorder, routes};
use tidings_domain::preferences::Given;
use tidings_domain::publication::Priority;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Standing, Subscriber, What};
use tidings_domain::suppression::{Reason, Scope};
use tidings_domain::token::{LinkKeys, PreferencesLink};
use tidings_domain::topic::{self, ByDefault, Sender, Topic};
use tidings_domain::value::{Code, EmailAddress};
use tidings_projector::{Projector, Reader, channel_list, topic_list};
use tidings_proto::Event;
use tidings_service::http::{body_deadline, configure, request_context, security_headers};
use tidings_tests::api::{ask_all, edge};
use tidings_tests::audit;
use tidings_tests::checker::deliveries::Deliveries;
use tidings_tests::house::House;
use time::macros::date;
use uuid::Uuid;

use super::bounced::notifying_commands;
use super::commands::commands;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn quiet(from: &str, to: &str, zone: &str) -> Given {
    Given {
        quiet_from: text(from),
        quiet_to: text(to),
        zone: text(zone),
        ..Given::default()
    }
}

fn daily(hour: i64, zone: &str) -> Given {
    Given {
        frequency: text("daily"),
        hour: Some(hour),
        zone: text(zone),
        ..Given::default()
    }
}

async fn pass(house: &House, hours: u64, minutes: u64) {
    let time = Duration::from_secs(hours * 3_600 + minutes * 60);
    house.platform.clock.advance(time);
    house.platform.settle().await;
}

fn mails(house: &House, name: &str) -> usize {
    house
        .smtp
        .by_recipient(&format!("{name}@example.org"))
        .len()
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_and_a_daily_hour_move_a_delivery_by_the_readers_own_clock() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    // 09:00 UTC is 18:00 in Tokyo and 04:00 in New York.
    let ada = house.subscriber("ada@example.org").await;
    house
        .prefer(ada, quiet("22:00", "07:00", "America/New_York"))
        .await;
    let bob = house.subscriber("bob@example.org").await;
    house.prefer(bob, daily(20, "Asia/Tokyo")).await;
    house.subscriber("eve@example.org").await;
    house.platform.settle().await;
    let all = &[channel];
    let id = house
        .publish_about("News", &[], Priority::Ordinary, all)
        .await;
    house.platform.settle().await;
    let counts = |house: &House| ["ada", "bob", "eve"].map(|name| mails(house, name));
    assert_eq!(counts(&house), [0, 0, 1]);
    assert_eq!(house.accounting(id).await.pending, 2);
    // Urgent news waits for quiet hours alone.
    house
        .publish_about("Flood", &[], Priority::Urgent, all)
        .await;
    house.platform.settle().await;
    assert_eq!(counts(&house), [0, 1, 2]);
    pass(&house, 1, 59).await;
    assert_eq!(counts(&house), [0, 1, 2]);
    pass(&house, 0, 1).await;
    assert_eq!(counts(&house), [0, 2, 2], "20:00 in Tokyo");
    pass(&house, 1, 0).await;
    assert_eq!(counts(&house), [2, 2, 2], "07:00 in New York");
    assert_eq!(house.state(id).await, "completed");
    let events = house
        .platform
        .store
        .log()
        .page_after(0, 1_000)
        .await
        .unwrap();
    let abandoned = events
        .iter()
        .filter(|it| it.event_type == "delivery.Abandoned");
    assert_eq!(
        abandoned.count(),
        0,
        "planned for their time from the start"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_after_the_plan_is_in_force_at_the_attempt() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber("ada@example.org").await;
    house.disable(channel).await;
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    house.prefer(ada, quiet("08:00", "11:30", "UTC")).await;
    house.enable(channel).await;
    house.platform.settle().await;
    assert_eq!(mails(&house, "ada"), 0);
    pass(&house, 2, 29).await;
    assert_eq!(mails(&house, "ada"), 0);
    pass(&house, 0, 1).await;
    assert_eq!(mails(&house, "ada"), 1);
    let events = house
        .platform
        .store
        .log()
        .page_after(0, 1_000)
        .await
        .unwrap();
    let reasons = events.iter().filter_map(|event| match event.decode() {
        Ok(Event::DeliveryAbandoned(it)) => Some(it.reason),
        _ => None,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), ["preferences"]);
}

/// Sends requests to the page, one after the other; gives each status and page.
async fn visit(house: &House, offer: Offer, requests: Vec<TestRequest>) -> Vec<(u16, String)> {
    let commands = notifying_commands(house).with_offers(Arc::new(move || {
        let offer = offer.clone();
        Box::pin(async { Ok(offer) })
    }));
    let app = App::new()
        .configure(configure(edge(&house.platform)))
        .wrap(from_fn(security_headers))
        .wrap(from_fn(body_deadline))
        .wrap(from_fn(request_context))
        .app_data(web::Data::new(commands))
        .configure(routes);
    let app = init_service(app).await;
    let mut answers = Vec::new();
    for request in requests {
        let response = call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let page = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        answers.push((status, page));
    }
    answers
}

fn reader(house: &House) -> Reader {
    let platform = &house.platform;
    let stops = Projector::new(&platform.store, &platform.feed).stops();
    Reader::new(platform.store.clone(), stops, Duration::from_secs(5))
}

/// What a platform offers: topics that are not archived, and channels that write to each reader and are on.
#[actix_web::test]
async fn readers_are_offered_what_there_is_for_them() {
    let house = House::start().await;
    house
        .topic("markets", ByDefault::In, Sender::default())
        .await;
    let old = house.topic("old", ByDefault::In, Sender::default()).await;
    let context = house.context();
    let archive = || topic::Command::Archive {
        reason: Code::from_static("requested"),
    };
    let store = &house.platform.store;
    store
        .execute::<Topic>(old, &context, None, archive)
        .await
        .unwrap();
    let channel = house.email_channel().await;
    let off = house.email_channel().await;
    house.disable(off).await;
    house.slack_channel("news").await;
    house.platform.settle().await;
    let reader = reader(&house);
    let topics = topic_list::offered(&reader, 10).await.unwrap();
    let slugs: Vec<&str> = topics.iter().map(|it| it.slug.as_str()).collect();
    assert_eq!(slugs, ["markets"]);
    let channels = channel_list::enabled(&reader, &["email"]).await.unwrap();
    assert_eq!(
        channels.iter().map(|it| it.id).collect::<Vec<_>>(),
        [channel]
    );
}

/// As it stands in a mail to her.
fn path(house: &House, subscriber_id: Uuid) -> String {
    let email = EmailAddress::parse("ada@example.org").unwrap();
    let link = PreferencesLink {
        subscriber_id,
        delivery_id: None,
        address_suppression_id: stream_id::address_suppression(&house.id_key, &email),
        issued: date!(2026 - 03 - 02),
    };
    format!("/p/{}", link.sign(house.link_keys.current()))
}

/// A topic, and a page that offers it alone.
async fn markets(house: &House, by_default: ByDefault) -> (Uuid, Offer) {
    let by_itself = by_default == ByDefault::In;
    let id = house.topic("markets", by_default, Sender::default()).await;
    let topic = OfferedTopic {
        id,
        name: "Markets".to_owned(),
        description: None,
        by_default: by_itself,
    };
    let offer = Offer {
        topics: vec![topic],
        channels: vec![],
    };
    (id, offer)
}

#[actix_web::test]
async fn a_reader_chooses_on_the_page_leaves_and_comes_back() {
    let house = House::start().await;
    let (markets, offer) = markets(&house, ByDefault::Out).await;
    let ada = house.subscriber("ada@example.org").await;
    let path = path(&house, ada);
    let form = "application/x-www-form-urlencoded";
    let post = |body: String| {
        let request = TestRequest::post().uri(&path).set_payload(body);
        request.insert_header(("content-type", form))
    };
    let chosen = format!(
        "do=save&offered_topic={markets}&was_topic_{markets}=off&topic={markets}&frequency=weekly&day=friday&hour=17\
         &quiet_from=22%3A00&quiet_to=07%3A00&zone=europe%2Fkyiv&language=UK"
    );
    let requests = vec![
        TestRequest::get().uri(&path),
        post(chosen.clone()),
        post(chosen),
        post("quiet_from=22%3A00&quiet_to=".to_owned()),
        post("do=leave".to_owned()),
        TestRequest::get().uri(&path),
        post("do=back&departures=0".to_owned()),
        post("do=back&departures=1".to_owned()),
        TestRequest::get().uri("/p/nothing"),
    ];
    let answers = visit(&house, offer, requests).await;
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 422, 200, 200, 409, 200, 404]);
    assert!(answers[1].1.contains("Saved") && answers[1].1.contains("Europe/Kyiv"));
    assert!(answers[3].1.contains("wrong-quiet_to"), "{}", answers[3].1);
    assert!(answers[5].1.contains("Come back"));
    let button = r#"name="departures" value="1""#;
    assert!(answers[6].1.contains("Nothing was changed.") && answers[6].1.contains(button));
    let log = house.platform.store.log().stream(ada).await.unwrap();
    let types: Vec<&str> = log.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(
        types,
        [
            "subscriber.SignedUp",
            "subscriber.Resubscribed",
            "subscriber.PreferencesChanged",
            "subscriber.Unsubscribed",
            "subscriber.Resubscribed",
        ]
    );
    assert!(
        log[1..]
            .iter()
            .all(|event| event.actor == "subscriber:page")
    );
    let loaded = house.platform.store.load::<Subscriber>(ada).await.unwrap();
    assert_eq!(loaded.state.standing(), Standing::Active);
    let profile = loaded.state.profile().unwrap();
    assert!(profile.choices.wants(markets, ByDefault::Out));
}

/// What somebody chooses is kept, and they are told that nothing comes of it, and what ends that.
#[actix_web::test]
async fn whoever_gets_nothing_because_of_their_address_or_domain_is_told_so_on_the_page() {
    let house = House::start().await;
    house.email_channel().await;
    let ada = house.subscriber("ada@example.org").await;
    let email = EmailAddress::parse("ada@example.org").unwrap();
    let address = stream_id::address_suppression(&house.id_key, &email);
    let domain = stream_id::domain_suppression(&house.id_key, email.domain());
    let path = path(&house, ada);
    let says = async |what: &str| {
        let save = TestRequest::post()
            .uri(&path)
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload(format!("do=save&language=de&zone=Europe%2F{what}"));
        let requests = vec![TestRequest::get().uri(&path), save];
        let answers = visit(&house, Offer::default(), requests).await;
        assert_eq!([answers[0].0, answers[1].0], [200, 200], "{answers:?}");
        let says = |page: &str| page.contains("Nothing is sent to your address at present");
        let [shown, saved] = [says(&answers[0].1), says(&answers[1].1)];
        assert_eq!(shown, saved);
        assert_eq!(answers[1].1.contains("from the next message on"), !saved);
        assert!(answers[1].1.contains("Saved"));
        saved
    };
    house.platform.settle().await;
    let told = async || {
        house.platform.settle().await;
        mails(&house, "ada")
    };
    assert!(!says("Paris").await);
    assert_eq!(told().await, 1, "that it was changed");
    for (id, scope, reason, zone) in [
        (address, Scope::Address, Reason::Complaint, "Rome"),
        (domain, Scope::Domain, Reason::Manual, "Berlin"),
    ] {
        house.suppress(id, scope, reason).await;
        assert!(says(zone).await, "{reason}");
        house.lift(id, reason).await;
    }
    assert_eq!(told().await, 1, "who gets nothing is told nothing");
    assert!(!says("Vienna").await);
    let notices = audit::sound_log(house.platform.store.log()).await;
    let notices = notices
        .iter()
        .filter(|it| it.event_type == "access.NoticeIssued");
    assert_eq!(notices.count(), 2);
}

#[actix_web::test]
async fn preferences_are_set_and_read_over_the_api_and_go_with_their_reader() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    let topic = house
        .topic("markets", ByDefault::In, Sender::default())
        .await;
    let path = format!("/api/v1/subscribers/{ada}/preferences");
    let put = |body: Value| TestRequest::put().uri(&path).set_json(body);
    let commands = || {
        let link_keys = LinkKeys::clone(&house.link_keys);
        web::Data::new(commands(&house.platform, house.id_key.clone(), link_keys))
    };
    let write = async |requests| {
        let data = commands();
        let rooms = |cfg: &mut web::ServiceConfig| routes(cfg.app_data(data));
        ask_all(&house.platform, rooms, requests).await
    };
    let wrong = json!({
        "topics": { ada.to_string(): 3, house.platform.ids.next().to_string(): 3 },
        "frequency": { "kind": "daily", "hour": 8 },
    });
    let unknown = house.platform.ids.next();
    let answers = write(vec![
        put(wrong),
        put(json!({ "topics": { unknown.to_string(): 3 } })),
        put(json!({
            "topics": { topic.to_string(): 3 },
            "frequency": { "kind": "weekly", "day": "friday", "hour": 17 },
            "zone": "europe/kyiv",
        })),
        TestRequest::post()
            .uri(&format!("/api/v1/subscribers/{ada}/unsubscribe"))
            .set_json(json!({ "topic_id": topic })),
        TestRequest::post()
            .uri(&format!("/api/v1/subscribers/{ada}/unsubscribe"))
            .set_json(json!({ "channel_id": unknown })),
    ])
    .await;
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [422, 422, 200, 200, 422]);
    assert_eq!(answers[0].1["errors"][0]["pointer"], "#/zone");
    let missing = format!("#/topics/{unknown}");
    assert_eq!(answers[1].1["errors"][0]["pointer"], missing.as_str());
    house.platform.settle().await;
    let client = house.platform.pool.get().await.unwrap();
    let sql =
        "select topics, preferences from publishing_subscriber_profile where subscriber_id = $1";
    let row = client.query_one(sql, &[&ada]).await.unwrap();
    let expected = json!({
        "frequency": { "day": "friday", "hour": 17, "kind": "weekly" },
        "topics": { topic.to_string(): 3 },
        "zone": "Europe/Kyiv",
    });
    assert_eq!(row.get::<_, Value>(1), expected);
    assert_eq!(row.get::<_, Value>(0), json!({ topic.to_string(): false }));
    let read = async |requests| {
        let looks = recorder(commands().into_inner());
        let reader = web::Data::new(reader(&house).with_looks(looks));
        let rooms = |cfg: &mut web::ServiceConfig| tidings_projector::routes(cfg.app_data(reader));
        ask_all(&house.platform, rooms, requests).await
    };
    let answers = read(vec![
        TestRequest::get().uri(&path),
        TestRequest::get().uri("/api/v1/topics"),
        TestRequest::get().uri(&format!("/api/v1/topics/{topic}")),
        TestRequest::get().uri(&format!("/api/v1/topics/{ada}")),
    ])
    .await;
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 404]);
    let own = &answers[0].1;
    assert_eq!(
        (&own["state"], &own["preferences"]),
        (&json!("active"), &expected)
    );
    assert_eq!(own["topics"], json!({ topic.to_string(): false }));
    assert_eq!(answers[1].1["items"], json!([answers[2].1]));
    assert_eq!(answers[2].1["slug"], "markets");
    house.leave(ada, What::Everything).await;
    let erase = TestRequest::post().uri(&format!("/api/v1/subscribers/{ada}/erase"));
    let answers = write(vec![erase.set_json(json!({}))]).await;
    assert!(answers[0].0 < 300, "{}", answers[0].1);
    house.platform.settle().await;
    let row = client.query_one(sql, &[&ada]).await.unwrap();
    assert_eq!(row.get::<_, Option<Value>>(1), None);
}

#[actix_web::test]
async fn who_has_changed_something_on_the_page_is_told_but_not_flooded_and_not_after_leaving() {
    let house = House::start().await;
    house.email_channel().await;
    let ada = house.subscriber("ada@example.org").await;
    house.platform.settle().await;
    let path = path(&house, ada);
    let post = |body: &str| {
        let request = TestRequest::post().uri(&path).set_payload(body.to_owned());
        request.insert_header(("content-type", "application/x-www-form-urlencoded"))
    };
    let offer = || Offer {
        topics: vec![],
        channels: vec![],
    };
    visit(&house, offer(), vec![post("do=save&frequency=at_once")]).await;
    house.platform.settle().await;
    assert_eq!(mails(&house, "ada"), 0, "nothing has changed");
    // Quiet hours do not hold it back: it answers what was done this moment.
    let quiet = "do=save&quiet_from=08%3A00&quiet_to=20%3A00&zone=UTC";
    visit(&house, offer(), vec![post(quiet)]).await;
    house.platform.settle().await;
    let told = house.smtp.by_recipient("ada@example.org");
    let told = String::from_utf8(told[0].raw().unwrap().to_vec()).unwrap();
    assert!(told.contains("was changed"), "{told}");
    assert!(
        told.contains("/p/") && told.contains("List-Unsubscribe:"),
        "{told}"
    );
    for hour in 1..6 {
        let daily = format!("do=save&frequency=daily&hour={hour}&zone=UTC");
        visit(&house, offer(), vec![post(&daily)]).await;
        house.platform.settle().await;
    }
    assert_eq!(mails(&house, "ada"), 3, "three a day at the most");
    house
        .platform
        .clock
        .advance(Duration::from_secs(25 * 3_600));
    let weekly = "do=save&frequency=weekly&zone=UTC";
    visit(&house, offer(), vec![post(weekly), post("do=leave")]).await;
    house.platform.settle().await;
    assert_eq!(
        mails(&house, "ada"),
        3,
        "who has left meanwhile gets nothing"
    );
    let events = house.platform.store.log().page_after(0, 10_000).await;
    Deliveries::of(&events.unwrap()).all_settled();
}
