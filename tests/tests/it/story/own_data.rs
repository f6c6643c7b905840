//! A reader asks for all that is held about them, on the page behind the links in their mails: a link comes to the address they
//! have, and who has that takes the file; nobody is flooded, and nobody gets it whose mailbox it is not any more.

mod doubted;
mod refused;

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header;
use actix_web::test::{TestRequest, read_body};
use actix_web::web;
use futures_util::future::join_all;
use tidings_command_api::Commands;
use tidings_domain::stream_id;
use tidings_domain::token::PreferencesLink;
use tidings_domain::value::EmailAddress;
use tidings_event_store::export::digest_of;
use tidings_projector::subscriber_export::by_link;
use tidings_proto::Event;
use tidings_service::look::MakeExport;
use tidings_tests::api;
use tidings_tests::checker::deliveries::Deliveries;
use time::macros::date;
use uuid::Uuid;

use super::bounced::{ADA, notifying_commands};
use super::officer::{Office, checked, holds, unpacked};

const CONTACT: &str = "privacy@example.org";
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The office, with a channel that notices go by.
async fn office() -> (Office, Uuid) {
    let office = Office::open().await;
    let channel = office.house.email_channel().await;
    office.settle().await;
    (office, channel)
}

fn make(office: &Office) -> MakeExport {
    by_link(office.reader(), office.house.platform.clock.clock())
}

fn commands_with(office: &Office, make: MakeExport) -> Commands {
    notifying_commands(&office.house).with_own_data(CONTACT.to_owned(), make)
}

/// Sends requests to one process, one after the other.
async fn answers(
    office: &Office,
    commands: &web::Data<Commands>,
    requests: Vec<TestRequest>,
) -> Vec<ServiceResponse<BoxBody>> {
    let rooms = |cfg: &mut web::ServiceConfig| {
        cfg.app_data(commands.clone());
        tidings_command_api::routes(cfg);
    };
    api::answers(&office.house.platform, rooms, requests).await
}

async fn text(response: ServiceResponse<BoxBody>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = read_body(response).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn visit(office: &Office, request: TestRequest) -> ServiceResponse<BoxBody> {
    let commands = web::Data::new(commands_with(office, make(office)));
    answers(office, &commands, vec![request]).await.remove(0)
}

fn suppression_id(office: &Office, email: &str) -> Uuid {
    let email = EmailAddress::parse(email).unwrap();
    stream_id::address_suppression(&office.house.id_key, &email)
}

/// The page behind the link in a mail to somebody at an address.
fn page(office: &Office, subscriber_id: Uuid, email: &str) -> String {
    let link = PreferencesLink {
        subscriber_id,
        delivery_id: None,
        address_suppression_id: suppression_id(office, email),
        issued: date!(2026 - 03 - 02),
    };
    format!("/p/{}", link.sign(office.house.link_keys.current()))
}

/// Presses the button on that page; gives the status and the answer, once everybody has heard of it.
async fn asked(office: &Office, subscriber_id: Uuid, email: &str) -> (u16, String) {
    let path = format!("{}/own-data", page(office, subscriber_id, email));
    let request = TestRequest::post().uri(&path);
    let request = request.insert_header((header::USER_AGENT, "Browser/7"));
    let answer = text(visit(office, request).await).await;
    office.settle().await;
    answer
}

/// What somebody was sent, soft line ends of quoted-printable taken out.
fn mails(office: &Office, email: &str) -> Vec<String> {
    let received = office.house.smtp.by_recipient(email);
    let texts = received
        .iter()
        .map(|it| String::from_utf8(it.raw().unwrap().to_vec()).unwrap());
    texts.map(|it| it.replace("=\r\n", "")).collect()
}

/// The path behind the link of the last mail to somebody.
fn last_link(office: &Office, email: &str) -> String {
    let mail = mails(office, email).pop().unwrap();
    let (_, rest) = mail.split_once("https://news.example.org/x/").unwrap();
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let end = rest.find(|c| !of_token(c)).unwrap();
    format!("/x/{}", &rest[..end])
}

fn press(link: &str) -> TestRequest {
    let form = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = TestRequest::post().uri(link).insert_header(form);
    request.set_payload("do=download")
}

async fn events(office: &Office) -> Vec<(String, Event)> {
    let log = office.house.platform.store.log();
    let events = log.page_after(0, 10_000).await.unwrap();
    let decoded = events
        .iter()
        .map(|it| (it.actor.clone(), it.decode().unwrap()));
    decoded.collect()
}

/// How often all of it was handed out by a link.
async fn handed_out(office: &Office) -> usize {
    let events = events(office).await;
    let by_link = |event: &&(String, Event)| matches!(&event.1, Event::AccessExported(it) if it.method == "link");
    events.iter().filter(by_link).count()
}

/// Whatever happened, every attempt was allowed and every notice is settled.
async fn all_is_well(office: &Office) {
    let log = office.house.platform.store.log();
    Deliveries::of(&log.page_after(0, 10_000).await.unwrap());
}

#[actix_web::test]
async fn a_reader_asks_on_the_page_gets_a_mail_and_takes_all_that_is_held_about_them() {
    let (office, channel) = office().await;
    let house = &office.house;
    let ada = house.subscriber(ADA).await;
    house.publish("Good news", "Hello\n", &[channel]).await;
    office.settle().await;
    // What is planned and never on its way, and what an officer writes who looks.
    let closed = house.email_channel().await;
    house.disable(closed).await;
    house.publish("Not out yet", "Hello\n", &[closed]).await;
    office.settle().await;
    office.timeline(ada).await;

    let (status, shown) =
        text(visit(&office, TestRequest::get().uri(&page(&office, ada, ADA))).await).await;
    assert_eq!(status, 200);
    assert!(
        shown.contains(CONTACT) && shown.contains("/own-data\""),
        "{shown}"
    );
    let (status, said) = asked(&office, ada, ADA).await;
    assert!(status == 200 && said.contains("on its way"), "{said}");
    assert!(!said.contains("ada@"), "who has the link learns no address");
    let mail = mails(&office, ADA).pop().unwrap();
    assert!(
        !mail.contains("List-Unsubscribe") && !mail.contains("/p/"),
        "{mail}"
    );
    assert!(
        mail.contains("9 March 2026") && mail.contains(CONTACT),
        "{mail}"
    );

    let link = last_link(&office, ADA);
    // Scanners follow links, and send empty forms.
    for request in [
        TestRequest::get().uri(&link),
        TestRequest::post().uri(&link),
    ] {
        let (status, page) = text(visit(&office, request).await).await;
        assert!(
            status == 200 && page.contains("value=\"download\""),
            "{page}"
        );
    }
    assert_eq!(handed_out(&office).await, 0);

    let response = visit(&office, press(&link)).await;
    let of = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|it| it.to_str().unwrap().to_owned())
    };
    assert_eq!(response.status(), 200);
    assert_eq!(
        of("content-disposition").unwrap(),
        "attachment; filename=\"your-data.zip\""
    );
    assert_eq!(
        (of("log-position"), of("cache-control").as_deref()),
        (None, Some("no-store"))
    );
    let zip = read_body(response).await;
    let found = checked(&zip, Some(office.key().await)).unwrap();
    assert_eq!(found.subscriber_id, ada);
    let files = unpacked(&zip);
    assert!(holds(&files, ADA) && holds(&files, "Good news"));
    assert!(!holds(&files, "Not out yet"), "what was never on its way");
    assert!(!holds(&files, "sie fragt"), "an officer's words");
    assert!(holds(&files, "by the link of a mail. Left out in it"));
    assert!(holds(&files, "Somebody with one of their mails asked"));
    let consent = files
        .iter()
        .find(|(name, _)| name == "consent.csv")
        .unwrap();
    let consent = String::from_utf8_lossy(&consent.1);
    assert!(
        consent.contains("SignedUp") && !consent.contains("NoticeIssued"),
        "{consent}"
    );
    // An officer hands on both.
    let of_officer = unpacked(&office.export(ada).await);
    assert!(holds(&of_officer, "Not out yet") && holds(&of_officer, "sie fragt"));

    let events = events(&office).await;
    let exported = events.iter().find_map(|(actor, event)| match event {
        Event::AccessExported(it) if it.method == "link" => Some((actor, it)),
        _ => None,
    });
    let (actor, exported) = exported.unwrap();
    let issued = events.iter().find_map(|(_, event)| match event {
        Event::AccessNoticeIssued(it) if it.kind == "own_data" => Some(it),
        _ => None,
    });
    let issued = issued.unwrap();
    assert_eq!(
        (actor.as_str(), exported.format.as_str()),
        ("subscriber:page", "zip")
    );
    assert_eq!(exported.delivery_id, issued.delivery_id);
    assert_eq!(exported.digest[..], digest_of(&zip[..]).unwrap()[..]);
    assert!(exported.reason.is_none() && issued.consent.is_none() && issued.evidence.is_some());
    let looks = office.looks_at(ada).await;
    assert!(looks.iter().any(|look| look["actor"] == "subscriber:page"));
    all_is_well(&office).await;
}

#[actix_web::test]
async fn a_link_is_good_for_five_downloads_each_on_record_and_for_seven_days() {
    let (office, _) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    asked(&office, ada, ADA).await;
    let link = last_link(&office, ADA);
    for nth in 1..=5 {
        office.settle().await;
        let (status, _) = text(visit(&office, press(&link)).await).await;
        assert_eq!((status, handed_out(&office).await), (200, nth));
    }
    office.settle().await;
    for request in [press(&link), TestRequest::get().uri(&link)] {
        let (status, page) = text(visit(&office, request).await).await;
        assert!(status == 410 && page.contains(CONTACT), "{page}");
    }
    assert_eq!(handed_out(&office).await, 5);
    // Another link has five of its own, and its time.
    asked(&office, ada, ADA).await;
    let link = last_link(&office, ADA);
    let clock = &office.house.platform.clock;
    clock.advance(7 * DAY - Duration::from_secs(60));
    office.settle().await;
    assert_eq!(visit(&office, press(&link)).await.status(), 200);
    clock.advance(Duration::from_secs(120));
    office.settle().await;
    assert_eq!(visit(&office, press(&link)).await.status(), 410);
    assert_eq!(handed_out(&office).await, 6);
}

#[actix_web::test]
async fn of_several_processes_that_are_asked_for_the_fifth_file_one_hands_it_out() {
    let (office, _) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    asked(&office, ada, ADA).await;
    let link = last_link(&office, ADA);
    for _ in 0..4 {
        office.settle().await;
        assert_eq!(visit(&office, press(&link)).await.status(), 200);
    }
    office.settle().await;
    let at_once = (0..4).map(|_| visit(&office, press(&link)));
    let answers = join_all(at_once).await;
    let mut statuses: Vec<u16> = answers.iter().map(|it| it.status().as_u16()).collect();
    statuses.sort_unstable();
    // One who begins when it is on record already waits for the witness of that in vain.
    let refused = |status: &u16| [410, 503].contains(status);
    assert!(
        statuses[0] == 200 && statuses[1..].iter().all(refused),
        "{statuses:?}"
    );
    assert_eq!(handed_out(&office).await, 5);
}

#[actix_web::test]
async fn nobody_is_sent_more_than_two_links_a_day_and_four_in_thirty_days() {
    let (office, _) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        for _ in 0..3 {
            statuses.push(asked(&office, ada, ADA).await.0);
        }
        office.house.platform.clock.advance(2 * DAY);
    }
    let (two, none) = ([200, 200, 429], [429, 429, 429]);
    assert_eq!(statuses, [two, two, none, none, none, none].concat());
    assert_eq!(mails(&office, ADA).len(), 4);
    office.house.platform.clock.advance(20 * DAY);
    assert_eq!(asked(&office, ada, ADA).await.0, 200);
    all_is_well(&office).await;
}

#[actix_web::test]
async fn who_has_left_gets_it_and_by_the_same_link() {
    let (office, channel) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    office.house.unsubscribe(ada).await;
    office.settle().await;
    assert_eq!(asked(&office, ada, ADA).await.0, 200);
    let link = last_link(&office, ADA);
    let response = visit(&office, press(&link)).await;
    assert_eq!(response.status(), 200);
    assert!(holds(&unpacked(&read_body(response).await), ADA));
    // Nothing else is sent to them for it.
    office.house.publish("News", "Hello\n", &[channel]).await;
    office.settle().await;
    assert_eq!(mails(&office, ADA).len(), 1);
    all_is_well(&office).await;
}

#[actix_web::test]
async fn two_are_handed_out_at_once_one_a_reader_and_the_places_of_who_goes_away_are_free() {
    let (office, _) = office().await;
    let mut links = Vec::new();
    for name in ["ada", "bob", "eve"] {
        let email = format!("{name}@example.org");
        let id = office.house.subscriber(&email).await;
        office.settle().await;
        asked(&office, id, &email).await;
        links.push(last_link(&office, &email));
    }
    let commands = web::Data::new(commands_with(&office, make(&office)));
    let press_all = |nth: &[usize]| nth.iter().map(|nth| press(&links[*nth])).collect();
    // Nobody reads what they are given.
    let open = answers(&office, &commands, press_all(&[0, 0, 1, 2])).await;
    let statuses: Vec<u16> = open.iter().map(|it| it.status().as_u16()).collect();
    assert_eq!(statuses, [200, 503, 200, 503]);
    let full = open.into_iter().next_back().unwrap();
    assert_eq!(full.headers().get("retry-after").unwrap(), "5");
    assert!(text(full).await.1.contains("in a minute"));
    assert_eq!(
        handed_out(&office).await,
        2,
        "who was not let in has used nothing"
    );
    office.settle().await;
    let again = answers(&office, &commands, press_all(&[2])).await;
    assert_eq!(again[0].status(), 200);
}
