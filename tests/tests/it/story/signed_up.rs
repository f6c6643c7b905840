//! Whoever signs up by themselves is asked first, and nobody is written to because somebody else typed their address:
//! not for long, not often, and not after they had said no.

mod by_file;
mod flooded;
mod left;
mod worded;

use std::time::Duration;

use actix_web::http::header;
use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_command_api::{Commands, SignUpForm};
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Consent, Standing, Subscriber};
use tidings_domain::suppression::{Reason, Scope, Suppression};
use tidings_domain::token::{ConfirmLink, UnsubscribeLink};
use tidings_domain::value::{ConsentVersion, ConsentWording, EmailAddress};
use tidings_proto::Event;
use tidings_tests::checker::deliveries::Deliveries;
use tidings_tests::house::House;
use uuid::Uuid;

use super::bounced::{ADA, GRACE, ask, house_commands, notifying_commands, page};

const WORDING: &str = "I want to get the news by mail.";

fn consent(wording: &str) -> Consent {
    let wording = ConsentWording::parse(wording).unwrap();
    Consent::to(wording, ConsentVersion::parse("1").unwrap())
}

/// What a form says that shows [`WORDING`].
fn mark() -> String {
    consent(WORDING).mark().unwrap()
}

fn commands(house: &House) -> Commands {
    commands_with(house, WORDING)
}

/// Whoever runs the platform has these words agreed to.
fn commands_with(house: &House, wording: &str) -> Commands {
    notifying_commands(house).with_sign_up(SignUpForm {
        organisation: "The Town Crier".to_owned(),
        consent: consent(wording),
        url: "https://news.example.org/join".to_owned(),
        return_pages: vec![],
    })
}

/// A house with a channel to ask by.
async fn house() -> (House, Uuid) {
    let house = House::start().await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    (house, channel)
}

async fn join(house: &House, email: &str) -> (u16, Value) {
    let body = json!({ "email": email, "consent": mark() });
    let request = TestRequest::post().uri("/join").set_json(body);
    ask(house, commands(house), request).await
}

async fn joined(house: &House, email: &str) {
    assert_eq!(
        join(house, email).await,
        (202, json!({ "status": "asked" }))
    );
    house.platform.settle().await;
}

async fn press(house: &House, link: &str) -> u16 {
    let request = TestRequest::post().uri(link);
    let request = request.insert_header((header::USER_AGENT, "Browser/7"));
    ask(house, commands(house), request).await.0
}

async fn look(house: &House, link: &str) -> u16 {
    let request = TestRequest::get().uri(link);
    ask(house, commands(house), request).await.0
}

/// What somebody was sent, soft line ends of quoted-printable taken out.
fn mails(house: &House, email: &str) -> Vec<String> {
    let received = house.smtp.by_recipient(email);
    let mails = received.iter();
    mails
        .map(|it| String::from_utf8(it.raw().unwrap().to_vec()).unwrap())
        .map(|it| it.replace("=\r\n", ""))
        .collect()
}

/// The path behind the link to confirm.
fn link(mail: &str) -> String {
    let (_, rest) = mail.split_once("https://news.example.org/c/").unwrap();
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let end = rest.find(|c| !of_token(c)).unwrap();
    format!("/c/{}", &rest[..end])
}

/// The link in the last mail to somebody.
fn last_link(house: &House, email: &str) -> String {
    link(mails(house, email).last().unwrap())
}

/// Who has an address.
async fn holder(house: &House, email: &str) -> Uuid {
    let find = json!({ "email": email });
    let request = TestRequest::post().uri("/api/v1/subscribers/find");
    let (status, found) = ask(house, commands(house), request.set_json(find)).await;
    assert_eq!(status, 200, "{found}");
    found["id"].as_str().unwrap().parse().unwrap()
}

async fn standing(house: &House, id: Uuid) -> Standing {
    let store = &house.platform.store;
    store.load::<Subscriber>(id).await.unwrap().state.standing()
}

fn suppression_id(house: &House, email: &str) -> Uuid {
    let email = EmailAddress::parse(email).unwrap();
    stream_id::address_suppression(&house.id_key, &email)
}

async fn reasons(house: &House, email: &str) -> Vec<Reason> {
    let store = &house.platform.store;
    let id = suppression_id(house, email);
    let loaded = store.load::<Suppression>(id).await.unwrap();
    loaded.state.reasons().to_vec()
}

async fn suppress(house: &House, email: &str, reason: Reason) {
    let id = suppression_id(house, email);
    house.suppress(id, Scope::Address, reason).await;
}

/// Whatever happened, every attempt was allowed and every delivery is settled.
async fn all_is_well(house: &House) {
    let log = house.platform.store.log();
    let events = log.page_after(0, 10_000).await.unwrap();
    Deliveries::of(&events).all_settled();
}

#[actix_web::test]
async fn who_signs_up_by_the_form_gets_mail_once_they_have_pressed_the_button() {
    let (house, channel) = house().await;
    assert_eq!(look(&house, "/join").await, 200);
    let form = TestRequest::post()
        .uri("/join")
        .insert_header((header::CONTENT_TYPE, "application/x-www-form-urlencoded"))
        .insert_header((header::USER_AGENT, "Browser/6"))
        .set_payload(format!(
            "email=ada%40example.org&name=Buy+Gold&consent={}&website=",
            mark()
        ));
    assert_eq!(ask(&house, commands(&house), form).await.0, 200);
    house.platform.settle().await;
    let ada = holder(&house, ADA).await;
    let asked = mails(&house, ADA);
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].contains("List-Unsubscribe"), "{}", asked[0]);
    assert!(asked[0].contains("The Town Crier"), "{}", asked[0]);
    // Whoever types the address does not get to write to whoever has it.
    assert!(!asked[0].contains("Gold"), "{}", asked[0]);

    let first = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(mails(&house, ADA).len(), 1, "nothing without their word");
    assert_eq!(house.accounting(first).await.planned, 0);
    // Scanners follow links, and may do so often.
    let link = link(&asked[0]);
    assert_eq!(look(&house, &link).await, 200);
    assert_eq!(standing(&house, ada).await, Standing::Pending);

    assert_eq!(press(&house, &link).await, 200);
    assert_eq!(press(&house, &link).await, 200, "again it changes nothing");
    house.platform.settle().await;
    let log = house.platform.store.log().stream(ada).await.unwrap();
    let types: Vec<_> = log.iter().map(|it| it.event_type.as_str()).collect();
    assert_eq!(types, ["subscriber.SignedUp", "subscriber.Confirmed"]);
    let Ok(Event::SubscriberSignedUp(signed_up)) = log[0].decode() else {
        panic!("{}", log[0].event_type);
    };
    assert_eq!(signed_up.consent_version, "1");
    assert!(signed_up.consent.is_some() && signed_up.evidence.is_some());
    assert_eq!(log[1].actor, "subscriber:page");
    house.publish("The bridge", "It is up.", &[channel]).await;
    house.platform.settle().await;
    let all = mails(&house, ADA);
    assert_eq!(all.len(), 2);
    assert!(all[1].contains("List-Unsubscribe:"), "{}", all[1]);
    all_is_well(&house).await;
}

#[actix_web::test]
async fn nobody_learns_whether_an_address_is_known_and_who_gets_mail_is_not_asked() {
    let (house, _) = house().await;
    house.subscriber(GRACE).await;
    let known = join(&house, GRACE).await;
    let unknown = join(&house, ADA).await;
    assert_eq!(known, unknown);
    let head = house.platform.store.log().head().await.unwrap().position;
    let trapped = json!({ "email": "x@example.org", "consent": mark(), "website": "spam" });
    let request = TestRequest::post().uri("/join").set_json(trapped);
    let trapped = ask(&house, commands(&house), request).await;
    assert_eq!(trapped, known, "nor does a program that was found out");
    let after = house.platform.store.log().head().await.unwrap().position;
    assert_eq!(after, head);
    house.platform.settle().await;
    assert_eq!(mails(&house, GRACE).len(), 0);
    assert_eq!(mails(&house, ADA).len(), 1);
}

#[actix_web::test]
async fn who_had_left_comes_back_only_by_their_own_word() {
    let (house, channel) = house().await;
    let ada = house.subscriber(ADA).await;
    house.unsubscribe(ada).await;
    joined(&house, ADA).await;
    assert_eq!(standing(&house, ada).await, Standing::Unsubscribed);
    let first = last_link(&house, ADA);
    assert_eq!(press(&house, &first).await, 200);
    assert_eq!(standing(&house, ada).await, Standing::Active);
    // They leave again: the mail that lies around does not bring them back.
    house.unsubscribe(ada).await;
    assert_eq!(press(&house, &first).await, 410);
    assert_eq!(standing(&house, ada).await, Standing::Unsubscribed);
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(mails(&house, ADA).len(), 1, "the one that asked");
    all_is_well(&house).await;
}

#[actix_web::test]
async fn a_suppression_is_lifted_by_whoever_confirms_and_not_by_whoever_types() {
    let (house, channel) = house().await;
    for reason in [Reason::Erased, Reason::Unsubscribed] {
        suppress(&house, ADA, reason).await;
    }
    joined(&house, ADA).await;
    assert_eq!(reasons(&house, ADA).await.len(), 2, "they stand");
    assert_eq!(press(&house, &last_link(&house, ADA)).await, 200);
    assert_eq!(reasons(&house, ADA).await, []);
    // What the receiving side says, or an operator, is not theirs to lift: they are not even asked.
    suppress(&house, GRACE, Reason::Complaint).await;
    joined(&house, GRACE).await;
    assert_eq!(mails(&house, GRACE).len(), 0);
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(
        (mails(&house, ADA).len(), mails(&house, GRACE).len()),
        (2, 0)
    );
    all_is_well(&house).await;
}

#[actix_web::test]
async fn whom_a_file_of_others_says_to_have_left_or_not_to_have_confirmed_may_sign_up_here() {
    let (house, channel) = house().await;
    let file = "email,status,unsubscribed_at\nada@example.org,pending,\ngrace@example.org,active,2021-01-01\n\
        bob@example.org,blocked,\n";
    let request = TestRequest::post().uri("/api/v1/imports");
    let request = request.insert_header((header::CONTENT_TYPE, "text/csv"));
    let (status, answer) = ask(&house, commands(&house), request.set_payload(file)).await;
    assert_eq!(status, 202, "{answer}");
    house.platform.settle().await;
    for email in [ADA, GRACE] {
        assert_eq!(reasons(&house, email).await, [Reason::Unsubscribed]);
        joined(&house, email).await;
        assert_eq!(press(&house, &last_link(&house, email)).await, 200);
        assert_eq!(reasons(&house, email).await, []);
    }
    joined(&house, "bob@example.org").await;
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let count = |email: &str| mails(&house, email).len();
    assert_eq!([count(ADA), count(GRACE)], [2, 2]);
    assert_eq!(count("bob@example.org"), 0, "an operator blocked him");
    all_is_well(&house).await;
}

#[actix_web::test]
async fn old_forged_and_foreign_links_confirm_nothing() {
    let (house, _) = house().await;
    joined(&house, ADA).await;
    let (ada, link) = (holder(&house, ADA).await, last_link(&house, ADA));
    let sign = |issued, delivery_id| {
        let link = ConfirmLink {
            subscriber_id: ada,
            delivery_id,
            address_suppression_id: suppression_id(&house, ADA),
            issued,
        };
        format!("/c/{}", link.sign(house.link_keys.current()))
    };
    let today = UnsubscribeLink::issued_on(house.platform.clock.clock().now());
    let never_asked = sign(today, Uuid::from_u128(7));
    assert_eq!(press(&house, &never_asked).await, 410);
    assert_eq!(press(&house, &link[..link.len() - 1]).await, 404);
    assert_eq!(press(&house, &link.replace("/c/", "/u/")).await, 404);
    house
        .platform
        .clock
        .advance(Duration::from_secs(31 * 86_400));
    assert_eq!(look(&house, &link).await, 410);
    assert_eq!(press(&house, &link).await, 410);
    assert_eq!(standing(&house, ada).await, Standing::Pending);
}

#[actix_web::test]
async fn who_is_signed_up_by_others_can_be_asked_too() {
    let (house, channel) = house().await;
    let sign_up = |confirmation: &str| {
        let body = json!({
            "email": ADA, "confirmation": confirmation,
            "consent": { "wording": "I want news.", "version": "shop-7" },
        });
        TestRequest::post()
            .uri("/api/v1/subscribers")
            .set_json(body)
    };
    let wrong = ask(&house, commands(&house), sign_up("later")).await;
    assert_eq!(
        (wrong.0, &wrong.1["errors"][0]["pointer"]),
        (422, &json!("#/confirmation"))
    );
    // Without a channel to ask by, nobody is signed up who would never be asked.
    let none = ask(&house, house_commands(&house), sign_up("required")).await;
    assert_eq!(none.0, 409, "{}", none.1);
    let (status, answer) = ask(&house, commands(&house), sign_up("required")).await;
    assert_eq!(status, 201, "{answer}");
    house.platform.settle().await;
    let ada = holder(&house, ADA).await;
    assert_eq!(standing(&house, ada).await, Standing::Pending);
    assert_eq!(press(&house, &last_link(&house, ADA)).await, 200);
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(mails(&house, ADA).len(), 2);
    all_is_well(&house).await;
}

#[actix_web::test]
async fn a_notice_waits_for_its_channel_and_is_not_lost() {
    let (house, channel) = house().await;
    house.disable(channel).await;
    // As the view had it a moment ago: the channel is still there to ask by.
    assert_eq!(join(&house, ADA).await.0, 202);
    house.platform.settle().await;
    assert_eq!(mails(&house, ADA).len(), 0);
    house.enable(channel).await;
    house.platform.clock.advance(Duration::from_secs(10));
    house.platform.settle().await;
    assert_eq!(mails(&house, ADA).len(), 1);
    all_is_well(&house).await;
}

/// By whoever answers for their consent.
async fn sign_up(house: &House, key: &str, email: &str) -> (u16, Value) {
    let body = json!({
        "email": email, "name": "Ada L.", "attributes": { "till": 7 },
        "consent": { "wording": "At the till.", "version": "shop-7" },
    });
    let request = TestRequest::post().uri("/api/v1/subscribers");
    let request = request.insert_header(("Idempotency-Key", key));
    ask(house, commands(house), request.set_json(body)).await
}

async fn resubscribe(house: &House, id: Uuid) -> (u16, Value) {
    let path = format!("/api/v1/subscribers/{id}/resubscribe");
    ask(house, commands(house), TestRequest::post().uri(&path)).await
}

#[actix_web::test]
async fn a_stranger_who_typed_an_address_keeps_nobody_from_being_signed_up() {
    let (house, channel) = house().await;
    suppress(&house, ADA, Reason::Unsubscribed).await;
    joined(&house, ADA).await;
    let ada = holder(&house, ADA).await;
    let (status, refused) = resubscribe(&house, ada).await;
    let detail = refused["detail"].as_str().unwrap_or_default();
    assert!(status == 409 && detail.contains("confirm"), "{refused}");

    let (status, signed_up) = sign_up(&house, "till", ADA).await;
    assert_eq!(
        (status, &signed_up["id"]),
        (201, &json!(ada)),
        "{signed_up}"
    );
    assert_eq!(standing(&house, ada).await, Standing::Active);
    assert_eq!(reasons(&house, ADA).await, []);
    let record = house.platform.store.log().stream(stream_id::record(ada));
    assert_eq!(record.await.unwrap().len(), 1, "their name and attributes");
    let again = sign_up(&house, "till", ADA).await;
    assert_eq!(again, (201, signed_up), "a repeat meets its own event");
    assert_eq!(sign_up(&house, "other", ADA).await.0, 409);
    let log = house.platform.store.log().stream(ada).await.unwrap();
    let Ok(Event::SubscriberConfirmed(confirmed)) = log[1].decode() else {
        panic!("{}", log[1].event_type);
    };
    assert_eq!(
        (
            confirmed.method.as_str(),
            confirmed.consent_version.as_str()
        ),
        ("api", "shop-7")
    );
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(mails(&house, ADA).len(), 2);
    // Nor does the mail that asked bring them back once they have left.
    let asked = mails(&house, ADA).remove(0);
    house.unsubscribe(ada).await;
    assert_eq!(press(&house, &link(&asked)).await, 410);
    assert_eq!(sign_up(&house, "third", ADA).await.0, 409);
    all_is_well(&house).await;
}

#[actix_web::test]
async fn who_is_subscribed_to_an_address_that_was_left_comes_back_by_the_form() {
    let (house, channel) = house().await;
    let ada = house.subscriber(ADA).await;
    suppress(&house, ADA, Reason::Unsubscribed).await;
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(mails(&house, ADA).len(), 0);
    joined(&house, ADA).await;
    assert_eq!(reasons(&house, ADA).await, [Reason::Unsubscribed]);
    let link = last_link(&house, ADA);
    assert_eq!(press(&house, &link).await, 200);
    assert_eq!(reasons(&house, ADA).await, []);
    assert_eq!(standing(&house, ada).await, Standing::Active);
    house.publish("The bridge", "It is up.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(mails(&house, ADA).len(), 2);
    // Now there is nothing left to ask.
    joined(&house, ADA).await;
    assert_eq!(mails(&house, ADA).len(), 2);
    all_is_well(&house).await;
}

#[actix_web::test]
async fn a_request_that_vouched_for_somebody_brings_nobody_back_after_their_erasure() {
    let (house, _) = house().await;
    joined(&house, ADA).await;
    let ada = holder(&house, ADA).await;
    let body = json!({ "email": ADA, "tags": ["till"] });
    let vouch = |body: &Value| {
        let request = TestRequest::post().uri("/api/v1/subscribers");
        let request = request.insert_header(("Idempotency-Key", "till"));
        request.set_json(body)
    };
    let vouched = ask(&house, commands(&house), vouch(&body)).await;
    assert_eq!(vouched.0, 201, "{}", vouched.1);
    let erase = TestRequest::post().uri(&format!("/api/v1/subscribers/{ada}/erase"));
    let erased = ask(&house, commands(&house), erase).await;
    assert!((200..300).contains(&erased.0), "{}", erased.1);
    let again = ask(&house, commands(&house), vouch(&body)).await;
    assert_eq!(again.0, 409, "{}", again.1);
    assert_eq!(reasons(&house, ADA).await, [Reason::Erased]);
}

#[actix_web::test]
async fn vouching_takes_nothing_away_that_was_noted_before() {
    let (house, _) = house().await;
    let post = |body: Value| {
        let request = TestRequest::post().uri("/api/v1/subscribers");
        request.set_json(body)
    };
    let first = json!({ "email": ADA, "confirmation": "required", "tags": ["vip"] });
    let (status, answer) = ask(&house, commands(&house), post(first)).await;
    assert_eq!(status, 201, "{answer}");
    let then = json!({ "email": ADA, "tags": ["till"] });
    let (status, answer) = ask(&house, commands(&house), post(then)).await;
    assert_eq!(status, 201, "{answer}");
    house.platform.settle().await;
    let tags = "select array(select jsonb_object_keys(tags) order by 1) from publishing_subscriber_profile";
    let client = house.platform.pool.get().await.unwrap();
    let tags: Vec<String> = client.query_one(tags, &[]).await.unwrap().get(0);
    assert_eq!(tags, ["till", "vip"]);
}
