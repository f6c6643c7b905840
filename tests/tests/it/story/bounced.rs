//! What comes back: a report by mail is on record with the delivery it is about, takes the reader's address off, and
//! moves no number of the accounting.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::test::TestRequest;
use actix_web::web::{self, Bytes, ServiceConfig};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tidings_command_api::feedback::{Origin, Report, Verdict, record};
use tidings_command_api::{Commands, When, recorder};
use tidings_dispatcher::channels::addressed_kinds;
use tidings_dispatcher::notices;
use tidings_domain::delivery::{ComplaintKind, Feedback, FeedbackSource};
use tidings_domain::token::LinkKeys;
use tidings_domain::value::EmailAddress;
use tidings_projector::{Projector, Reader};
use tidings_sinks::smtp::{Action, Phase, Rule};
use tidings_tests::api;
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::commands::commands;

pub(super) const POSTFIX: &str =
    include_str!("../../../../command-api/src/feedback/dsn/samples/postfix.eml");
const EXCHANGE: &str =
    include_str!("../../../../command-api/src/feedback/dsn/samples/exchange.eml");
pub(super) const COMPLAINT: &str =
    include_str!("../../../../command-api/src/feedback/dsn/samples/complaint.eml");
pub(super) const ADA: &str = "ada@example.org";
pub(super) const GRACE: &str = "grace@example.org";

/// Sends a request to commands and views, as an admin; gives the status and the answer, if there is one.
pub(super) async fn ask(house: &House, commands: Commands, request: TestRequest) -> (u16, Value) {
    let (status, body) = bytes(house, commands, request).await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// The same, with the page as it came.
pub(super) async fn page(house: &House, commands: Commands, request: TestRequest) -> (u16, String) {
    let (status, body) = bytes(house, commands, request).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn bytes(house: &House, commands: Commands, request: TestRequest) -> (u16, Bytes) {
    let platform = &house.platform;
    let stops = Projector::new(&platform.store, &platform.feed).stops();
    let commands = web::Data::new(commands);
    let desk = Arc::new(super::desk::desk(house));
    let reader = Reader::new(platform.store.clone(), stops, Duration::from_secs(5))
        .with_hindrances(desk.hindrances())
        .with_looks(recorder(commands.clone().into_inner()));
    let rooms = |cfg: &mut ServiceConfig| {
        let clock = web::Data::new(platform.clock.clock());
        cfg.app_data(web::Data::new(reader))
            .app_data(commands)
            .app_data(clock);
        tidings_command_api::routes(cfg);
        tidings_projector::routes(cfg);
    };
    api::bytes_of_all(platform, rooms, vec![request])
        .await
        .remove(0)
}

pub(super) fn house_commands(house: &House) -> Commands {
    let link_keys = LinkKeys::clone(&house.link_keys);
    let desk = Arc::new(super::desk::desk(house));
    let why_nobody = Arc::new(move |id, when| -> BoxFuture<'static, _> {
        let desk = desk.clone();
        Box::pin(async move {
            match when {
                When::Now => desk.why_nobody_now(id).await,
                When::Ever => desk.why_nobody_ever(id).await,
            }
        })
    });
    commands(&house.platform, house.id_key.clone(), link_keys)
        .with_segments(addressed_kinds(), why_nobody)
        .with_tracking(house.tracking_keys.clone(), Duration::from_mins(2))
}

/// The same, which find out by which channel a notice goes.
pub(super) fn notifying_commands(house: &House) -> Commands {
    let store = house.platform.store.clone();
    house_commands(house).with_notices(Arc::new(move |left| {
        let store = store.clone();
        Box::pin(async move { notices::channel(store.log(), None, &left).await })
    }))
}

pub(super) async fn get(house: &House, path: &str) -> Value {
    let request = TestRequest::get().uri(path);
    ask(house, house_commands(house), request).await.1
}

/// Hands a mail over as its server does, and lets everybody hear of it; gives the status.
async fn hand_over(house: &House, mail: &str) -> u16 {
    let request = TestRequest::post().uri("/hooks/mail");
    let request = request.insert_header((header::CONTENT_TYPE, "message/rfc822"));
    let (status, _) = ask(
        house,
        house_commands(house),
        request.set_payload(mail.to_owned()),
    )
    .await;
    house.platform.settle().await;
    status
}

/// The delivery of a publication to a reader, as the API has it.
pub(super) async fn delivery(house: &House, publication_id: Uuid, reader: Uuid) -> Value {
    let path = format!("/api/v1/publications/{publication_id}/deliveries");
    let page = get(house, &path).await;
    let all = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
    let found = all.iter().find(|it| it["subscriber_id"] == json!(reader));
    found.unwrap().clone()
}

pub(super) async fn feedback_of(house: &House, publication_id: Uuid) -> Value {
    let path = format!("/api/v1/publications/{publication_id}/accounting");
    let accounting = get(house, &path).await;
    assert_eq!(accounting["balanced"], true, "{accounting}");
    accounting["feedback"].clone()
}

pub(super) async fn channel(house: &House) -> Uuid {
    let settings = json!({
        "host": "127.0.0.1", "port": house.smtp.addr().port(), "encryption": "none",
        "from": "Town Crier <crier@news.example.org>",
        "return_path_domain": "bounces.news.example.org",
    });
    house.channel("email", settings, None).await
}

/// The mail this reader has got: its envelope sender, and what it is.
pub(super) fn mail_to(house: &House, reader: &str) -> (String, String) {
    let mails = house.smtp.by_recipient(reader);
    let mail = mails.last().unwrap();
    let raw = String::from_utf8(mail.raw().unwrap().to_vec()).unwrap();
    (mail.from.clone(), raw)
}

pub(super) fn report(sample: &str, to: &str, reader: &str, mail: &str) -> String {
    let (_, id) = mail.split_once("Message-ID: <").unwrap();
    let (id, _) = id.split_once('>').unwrap();
    let filled = sample.replace('\n', "\r\n").replace("{TO}", to);
    let (_, link) = mail.split_once("List-Unsubscribe: <").unwrap_or_default();
    let (link, _) = link.split_once('>').unwrap_or_default();
    filled
        .replace("{LINK}", link)
        .replace("{READER}", reader)
        .replace("{MESSAGE_ID}", id)
        .replace("{MAIL}", mail)
}

/// The mail as somebody has it who has seen no more than an answer to it.
fn without_link(mail: &str) -> String {
    mail.replace("/u/", "/u/-")
        .replace("unsubscribe%20", "unsubscribe-")
}

pub(super) async fn events(house: &House) -> Vec<String> {
    let log = house.platform.store.log();
    let events = log.page_after(0, 10_000).await.unwrap();
    events.into_iter().map(|event| event.event_type).collect()
}

#[actix_web::test]
async fn a_report_is_on_record_and_its_reader_gets_nothing_more() {
    let house = House::start().await;
    let ada = house.subscriber(ADA).await;
    let grace = house.subscriber(GRACE).await;
    let channel = channel(&house).await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let before = house.accounting(id).await;
    assert_eq!((before.planned, before.sent), (2, 2));

    let (path, mail) = mail_to(&house, ADA);
    let (local, domain) = path.split_once('@').unwrap();
    assert_eq!(domain, "bounces.news.example.org");
    assert!(local.starts_with("b+") && local.len() <= 64);
    let written = events(&house).await.len();

    // Forged, or of another installation: nobody's.
    let last = local.chars().last().unwrap();
    let forged = format!(
        "{}{}",
        &local[..local.len() - 1],
        if last == 'a' { 'b' } else { 'a' }
    );
    let nobodys = without_link(&mail);
    let forged = report(POSTFIX, &format!("{forged}@{domain}"), ADA, &nobodys);
    assert_eq!(hand_over(&house, &forged).await, 202);
    // A machine answers, and quotes the link to leave.
    let answer = format!("To: {path}\r\nSubject: I am away\r\n\r\n{mail}");
    assert_eq!(hand_over(&house, &answer).await, 202);
    assert_eq!(events(&house).await.len(), written);

    // Some server has folded the address.
    let returned = report(POSTFIX, &path.to_uppercase(), ADA, &mail);
    assert_eq!(hand_over(&house, &returned).await, 204);
    let written = events(&house).await;
    assert_eq!(
        written[written.len() - 2..],
        ["delivery.Bounced", "suppression.Added"]
    );
    let shown = delivery(&house, id, ada).await;
    assert_eq!(
        (&shown["class"], &shown["status"], &shown["feedback"]),
        (&json!("sent"), &json!("sent"), &json!("bounced"))
    );
    assert_eq!(
        (&shown["feedback_reason"], &shown["bounce"]),
        (&json!("no_such_address"), &json!("hard"))
    );
    assert_eq!(house.accounting(id).await, before);
    let counts = json!({"delivered": 0, "bounced": 1, "complained": 0});
    assert_eq!(feedback_of(&house, id).await, counts);
    assert_eq!(delivery(&house, id, grace).await["feedback"], Value::Null);

    assert_eq!(hand_over(&house, &returned).await, 204);
    assert_eq!(events(&house).await, written, "the same report again");

    let next = house.publish("More", "It still runs.", &[channel]).await;
    house.platform.settle().await;
    let accounting = house.accounting(next).await;
    assert_eq!((accounting.sent, accounting.suppressed), (1, 1));
    assert_eq!(house.smtp.by_recipient(ADA).len(), 1);
    assert_eq!(house.smtp.by_recipient(GRACE).len(), 2);
}

/// Without a return path of its own, the returned mail says by its link to leave what it was; so can whoever it was
/// forwarded to.
#[actix_web::test]
async fn a_report_to_another_address_needs_the_link_in_the_mail_and_is_a_soft_one() {
    let house = House::start().await;
    let grace = house.subscriber(GRACE).await;
    let channel = house.email_channel().await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let (from, mail) = mail_to(&house, GRACE);
    assert_eq!(from, "crier@news.example.org");
    let written = events(&house).await.len();
    // Its name stands in every answer to it.
    let forged = report(POSTFIX, &from, GRACE, &without_link(&mail));
    assert_eq!(hand_over(&house, &forged).await, 202);
    assert_eq!(events(&house).await.len(), written);
    // It went on to somebody else, who could not be reached: no fault of the address.
    let beyond = report(POSTFIX, &from, "mallory@example.org", &mail);
    assert_eq!(hand_over(&house, &beyond).await, 204);
    assert_eq!(delivery(&house, id, grace).await["bounce"], "soft");
    let returned = report(EXCHANGE, &from, GRACE, &mail);
    assert_eq!(hand_over(&house, &returned).await, 204);
    let shown = delivery(&house, id, grace).await;
    assert_eq!(
        (&shown["bounce"], &shown["feedback_reason"]),
        (&json!("soft"), &json!("no_such_address"))
    );
    assert_eq!(events(&house).await.last().unwrap(), "delivery.Bounced");
}

#[actix_web::test]
async fn a_complaint_is_as_grave_as_what_it_proves() {
    let house = House::start().await;
    house.subscriber(ADA).await;
    house.subscriber(GRACE).await;
    let channel = channel(&house).await;
    house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    // Only the link: that is the right to leave, and no more.
    let (_, mail) = mail_to(&house, GRACE);
    let complaint = report(COMPLAINT, "", GRACE, &mail);
    assert_eq!(hand_over(&house, &complaint).await, 204);
    let written = events(&house).await;
    assert_eq!(written.last().unwrap(), "subscriber.Unsubscribed");
    assert_eq!(hand_over(&house, &complaint).await, 204);
    assert_eq!(events(&house).await, written, "the same complaint again");
    // The envelope of that one mail.
    let (path, mail) = mail_to(&house, ADA);
    let complaint = report(COMPLAINT, &path, ADA, &mail);
    assert_eq!(hand_over(&house, &complaint).await, 204);
    let written = events(&house).await;
    assert_eq!(
        written[written.len() - 2..],
        ["delivery.Complained", "suppression.Added"]
    );
}

#[actix_web::test]
async fn a_bounce_long_after_the_mail_is_on_record_and_suppresses_nobody() {
    let house = House::start().await;
    let ada = house.subscriber(ADA).await;
    let channel = channel(&house).await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let (path, mail) = mail_to(&house, ADA);
    house
        .platform
        .clock
        .advance(Duration::from_secs(31 * 86_400));
    let returned = report(POSTFIX, &path, ADA, &mail);
    assert_eq!(hand_over(&house, &returned).await, 204);
    assert_eq!(events(&house).await.last().unwrap(), "delivery.Bounced");
    assert_eq!(delivery(&house, id, ada).await["bounce"], "hard");
}

#[actix_web::test]
async fn a_report_ends_a_doubt_and_survives_that_its_reader_left_and_was_erased() {
    let house = House::start().await;
    let ada = house.subscriber(ADA).await;
    let cut = Rule::new(Phase::FinalDot, Action::Reset).to(ADA);
    house.smtp.add_rule(cut.recorded());
    let channel = channel(&house).await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let held = Accounting {
        planned: 1,
        in_doubt: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, held);
    house.unsubscribe(ada).await;
    let now = house.platform.clock.clock().now();
    house
        .platform
        .store
        .vault()
        .shred(&[ada], now)
        .await
        .unwrap();

    let (path, mail) = mail_to(&house, ADA);
    let returned = report(POSTFIX, &path, ADA, &mail);
    assert_eq!(hand_over(&house, &returned).await, 204);
    let written = events(&house).await;
    assert_eq!(
        written[written.len() - 3..],
        ["delivery.Sent", "delivery.Bounced", "suppression.Added"]
    );
    let sent = Accounting {
        sent: 1,
        in_doubt: 0,
        ..held
    };
    assert_eq!(house.accounting(id).await, sent);
    assert_eq!(delivery(&house, id, ada).await["feedback"], "bounced");
}

#[actix_web::test]
async fn a_complaint_suppresses_once_and_what_is_about_nothing_is_not_taken() {
    let house = House::start().await;
    let ada = house.subscriber(ADA).await;
    let channel = channel(&house).await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let commands = house_commands(&house);
    let delivery_id = delivery(&house, id, ada).await["id"].clone();
    let delivery_id = Uuid::try_parse(delivery_id.as_str().unwrap()).unwrap();
    let abuse = Feedback::Complained {
        kind: ComplaintKind::Abuse,
    };
    let take = async |delivery_id, what: &Feedback, event_id: &str, recipient: &str| {
        let origin = Origin {
            correlation_id: house.platform.ids.next(),
            traceparent: None,
        };
        let report = Report {
            delivery_id,
            attempt: Some(1),
            what: what.clone(),
            reported_at: house.platform.clock.clock().now(),
            event_id: event_id.to_owned(),
            recipients: Some(vec![EmailAddress::parse(recipient).unwrap()]),
            source: FeedbackSource::Ses,
        };
        record(&commands, &origin, report).await.unwrap()
    };
    let unknown = [house.platform.ids.next(), ada, channel];
    for stranger in unknown {
        assert_eq!(take(stranger, &abuse, "1", ADA).await, Verdict::Unknown);
    }
    take(delivery_id, &Feedback::Delivered, "1", ADA).await;
    // Not the reader's address: on record, and no more.
    take(delivery_id, &abuse, "2", "ada@example.net").await;
    take(delivery_id, &abuse, "3", "ADA@example.org").await;
    assert_eq!(take(delivery_id, &abuse, "3", ADA).await, Verdict::Repeated);
    take(delivery_id, &abuse, "4", ADA).await;
    let written = events(&house).await;
    let said = |event_type: &str| written.iter().filter(|it| *it == event_type).count();
    assert_eq!(said("delivery.Delivered"), 1);
    assert_eq!(said("delivery.Complained"), 3);
    assert_eq!(said("suppression.Added"), 1);
    for event_id in ["5", "6", "7", "8", "9"] {
        take(delivery_id, &abuse, event_id, ADA).await;
    }
    assert_eq!(take(delivery_id, &abuse, "10", ADA).await, Verdict::Full);
    assert_eq!(take(delivery_id, &abuse, "3", ADA).await, Verdict::Repeated);
    house.platform.settle().await;
    let counts = json!({"delivered": 0, "bounced": 0, "complained": 1});
    assert_eq!(feedback_of(&house, id).await, counts);
}
