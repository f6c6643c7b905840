//! What Amazon SES reports, signed by an SNS of the test's own: on record with the delivery that the tags name, once, in
//! whatever order it comes.

use std::sync::Arc;
use std::time::Duration;

use actix_web::test::TestRequest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, date_time_ymd};
use serde_json::{Value, json};
use tidings_command_api::sns::{ReadPage, Sns};
use tidings_domain::publication::RetriedClass;
use tidings_service::config::TopicArn;
use tidings_sinks::ses::{Action, Limit, Rule};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::bounced::{ADA, GRACE, ask, delivery, events, feedback_of, get, house_commands};
use super::editor::retry;
use super::ses;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:mail-events";
const CERTIFICATE_URL: &str =
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem";

/// Signs as SNS does (version 2).
struct Topic {
    key: RsaKeyPair,
    certificate: Vec<u8>,
}

impl Topic {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) =
            (date_time_ymd(2000, 1, 1), date_time_ymd(2100, 1, 1));
        let certificate = params.self_signed(&key).unwrap();
        let lines = STANDARD.encode(certificate.der());
        let lines: Vec<&str> = lines
            .as_bytes()
            .chunks(64)
            .map(|it| str::from_utf8(it).unwrap())
            .collect();
        let lines = lines.join("\n");
        let pem = format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
        Self {
            key: RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap(),
            certificate: pem.into_bytes(),
        }
    }

    /// What SNS posts to tell this.
    fn notification(&self, message_id: &str, message: &str) -> Value {
        let at = "2026-03-01T09:54:06.655Z";
        let signed = format!(
            "Message\n{message}\nMessageId\n{message_id}\nTimestamp\n{at}\nTopicArn\n{TOPIC}\nType\nNotification\n"
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        let text = signed.as_bytes();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, text, &mut signature)
            .unwrap();
        json!({
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": TOPIC,
            "Message": message,
            "Timestamp": at,
            "SignatureVersion": "2",
            "Signature": STANDARD.encode(signature),
            "SigningCertURL": CERTIFICATE_URL,
        })
    }

    fn at_sns(&self) -> Sns {
        let certificate = self.certificate.clone();
        let read_page: ReadPage = Arc::new(move |url| {
            assert_eq!(url, CERTIFICATE_URL);
            let certificate = certificate.clone();
            Box::pin(async { Ok(certificate) })
        });
        Sns::new(vec![TopicArn::parse(TOPIC).unwrap()], read_page)
    }

    /// Posts it to the hook, and lets everybody hear of it; gives the status.
    async fn post(&self, house: &House, posted: &Value) -> u16 {
        let commands = house_commands(house)
            .with_ses(self.at_sns())
            .with_metrics(house.metrics.clone());
        let request = TestRequest::post()
            .uri("/hooks/ses")
            .insert_header(("content-type", "text/plain; charset=UTF-8"))
            .insert_header(("x-amz-sns-message-type", "Notification"))
            .set_payload(posted.to_string());
        let (status, _) = ask(house, commands, request).await;
        house.platform.settle().await;
        status
    }

    /// Tells an event, under a message id of its own.
    async fn tell(&self, house: &House, event: &Value) -> u16 {
        let message_id = house.platform.ids.next().to_string();
        let posted = self.notification(&message_id, &event.to_string());
        self.post(house, &posted).await
    }
}

fn mail(delivery: &Value) -> Value {
    json!({
        "messageId": format!("ses-{}", delivery["id"]),
        "tags": { "tidings-delivery": [delivery["id"]], "tidings-attempt": ["1"] },
    })
}

fn bounce(delivery: &Value, recipient: &str) -> Value {
    json!({
        "eventType": "Bounce",
        "mail": mail(delivery),
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "NoEmail",
            "bouncedRecipients": [{
                "emailAddress": recipient,
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }],
            "timestamp": "2026-01-01T00:00:00.000Z",
            "feedbackId": format!("bounce of {}", delivery["id"]),
        },
    })
}

fn complaint(delivery: &Value, kind: &str, recipient: &str) -> Value {
    json!({
        "eventType": "Complaint",
        "mail": mail(delivery),
        "complaint": {
            "complainedRecipients": [{ "emailAddress": recipient }],
            "complaintFeedbackType": kind,
            "timestamp": "2026-01-01T00:00:00.000Z",
            "feedbackId": format!("{kind} of {}", delivery["id"]),
        },
    })
}

fn arrival(delivery: &Value, recipient: &str) -> Value {
    json!({
        "eventType": "Delivery",
        "mail": mail(delivery),
        "delivery": { "timestamp": "2026-01-01T00:00:00.000Z", "recipients": [recipient] },
    })
}

fn counted(house: &House, result: &str) -> u64 {
    let total = &house.metrics.feedback_total;
    total.with_label_values(&["ses", result]).get()
}

/// A house in which two readers have got a mail: the channel, the publication, and their deliveries.
async fn with_two_readers(house: &House) -> (Uuid, Uuid, [Value; 2]) {
    let [ada, grace] = [house.subscriber(ADA).await, house.subscriber(GRACE).await];
    let channel = house.email_channel().await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let deliveries = [
        delivery(house, id, ada).await,
        delivery(house, id, grace).await,
    ];
    (channel, id, deliveries)
}

#[actix_web::test]
async fn what_ses_reports_is_on_record_once_in_whatever_order_it_comes() {
    let house = House::start().await;
    let (channel, id, [ada, grace]) = with_two_readers(&house).await;
    let topic = Topic::new();
    let before = house.accounting(id).await;
    let written = events(&house).await.len();

    // It bounced after it had arrived, and one hears of that first.
    assert_eq!(topic.tell(&house, &bounce(&ada, ADA)).await, 200);
    assert_eq!(
        events(&house).await[written..],
        ["delivery.Bounced", "suppression.Added"]
    );
    assert_eq!(topic.tell(&house, &arrival(&ada, ADA)).await, 200);
    assert_eq!(topic.tell(&house, &arrival(&grace, GRACE)).await, 200);
    assert_eq!(
        topic.tell(&house, &complaint(&grace, "abuse", GRACE)).await,
        200
    );
    let told = events(&house).await;
    assert_eq!(
        told[written + 2..],
        [
            "delivery.Delivered",
            "delivery.Delivered",
            "delivery.Complained",
            "suppression.Added"
        ]
    );
    // All of it again, as it is told to a second topic.
    for event in [
        bounce(&ada, ADA),
        arrival(&ada, ADA),
        arrival(&grace, GRACE),
        complaint(&grace, "abuse", "GRACE@example.org"),
    ] {
        assert_eq!(topic.tell(&house, &event).await, 200);
    }
    assert_eq!(events(&house).await, told);
    assert_eq!(counted(&house, "repeated"), 4);

    let subscriber = |it: &Value| Uuid::try_parse(it["subscriber_id"].as_str().unwrap()).unwrap();
    let shown = delivery(&house, id, subscriber(&ada)).await;
    assert_eq!(
        (&shown["class"], &shown["feedback"], &shown["bounce"]),
        (&json!("sent"), &json!("bounced"), &json!("hard"))
    );
    let shown = delivery(&house, id, subscriber(&grace)).await;
    assert_eq!(
        (&shown["feedback"], &shown["feedback_reason"]),
        (&json!("complained"), &json!("abuse"))
    );
    let counts = json!({"delivered": 0, "bounced": 1, "complained": 1});
    assert_eq!(feedback_of(&house, id).await, counts);
    assert_eq!(house.accounting(id).await, before);

    let next = house.publish("More", "It still runs.", &[channel]).await;
    house.platform.settle().await;
    let accounting = house.accounting(next).await;
    assert_eq!((accounting.planned, accounting.suppressed), (2, 2));
}

#[actix_web::test]
async fn what_is_about_nobody_here_or_not_signed_changes_nothing() {
    let house = House::start().await;
    let (_, _, [ada, grace]) = with_two_readers(&house).await;
    let topic = Topic::new();
    let written = events(&house).await;

    let mut plain = bounce(&ada, ADA);
    plain["mail"].as_object_mut().unwrap().remove("tags");
    assert_eq!(topic.tell(&house, &plain).await, 200);
    assert_eq!(counted(&house, "uncorrelated"), 1);
    let stranger = json!({ "id": house.platform.ids.next() });
    assert_eq!(topic.tell(&house, &bounce(&stranger, ADA)).await, 200);
    assert_eq!(counted(&house, "unknown"), 1);
    let validated = topic.notification("1", "Successfully validated SNS topic.");
    assert_eq!(topic.post(&house, &validated).await, 200);
    assert_eq!(
        topic.tell(&house, &json!({ "eventType": "Send" })).await,
        200
    );
    assert_eq!(counted(&house, "other"), 2);
    let none = complaint(&grace, "not-spam", GRACE);
    assert_eq!(topic.tell(&house, &none).await, 200);
    assert_eq!(counted(&house, "nothing"), 1);
    let torn = json!({ "eventType": "Bounce", "mail": mail(&ada) });
    assert_eq!(topic.tell(&house, &torn).await, 400);

    let event = bounce(&ada, ADA).to_string();
    let mut changed = topic.notification("2", &event);
    changed["Message"] = json!(event.replace("ada@", "Ada@"));
    assert_eq!(topic.post(&house, &changed).await, 403);
    let mut others = topic.notification("2", &event);
    others["TopicArn"] = json!("arn:aws:sns:eu-west-1:123456789012:others");
    assert_eq!(topic.post(&house, &others).await, 403);
    let by_others = Topic::new().notification("2", &event);
    assert_eq!(topic.post(&house, &by_others).await, 403);
    assert_eq!(topic.post(&house, &json!({})).await, 400);
    assert_eq!(counted(&house, "refused"), 4);
    assert_eq!(events(&house).await, written);
}

/// Whoever sends mail from the same account can set any tag.
#[actix_web::test]
async fn a_report_about_another_address_is_not_held_against_the_reader() {
    let house = House::start().await;
    let (_, id, [ada, grace]) = with_two_readers(&house).await;
    let topic = Topic::new();
    for event in [
        bounce(&ada, GRACE),
        bounce(&ada, "no address"),
        complaint(&grace, "abuse", ADA),
    ] {
        assert_eq!(topic.tell(&house, &event).await, 200);
    }
    let written = events(&house).await;
    assert!(!written.contains(&"suppression.Added".to_owned()));
    let ada = Uuid::try_parse(ada["subscriber_id"].as_str().unwrap()).unwrap();
    assert_eq!(delivery(&house, id, ada).await["bounce"], "soft");

    // Of several, it counts for the one it is about.
    let mut both = bounce(&grace, GRACE);
    let more = bounce(&grace, ADA)["bounce"]["bouncedRecipients"][0].clone();
    let all = both["bounce"]["bouncedRecipients"].as_array_mut().unwrap();
    all.push(more);
    assert_eq!(topic.tell(&house, &both).await, 200);
    assert_eq!(
        events(&house).await[written.len()..],
        ["delivery.Bounced", "suppression.Added", "delivery.Bounced"]
    );
}

/// The answer to the request was lost, so that nobody knew whether SES had the mail.
#[actix_web::test]
async fn what_ses_reports_of_a_mail_in_doubt_ends_the_doubt_and_it_is_not_sent_again() {
    let (house, sink, channel) = ses::start(Limit::None).await;
    let reader = "reader0@example.net";
    let cut = Rule::new(Action::Cut).recorded().to(reader);
    sink.add_rule(cut.times(1));
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let before = house.accounting(id).await;
    assert_eq!((before.in_doubt, before.sent), (1, before.planned - 1));
    let path = format!("/api/v1/publications/{id}/deliveries?class=in_doubt");
    let doubted = get(&house, &path).await["items"][0].clone();
    assert_eq!(doubted["reason"], "connection_lost");
    let written = events(&house).await.len();

    let topic = Topic::new();
    let arrived = arrival(&doubted, reader);
    assert_eq!(topic.tell(&house, &arrived).await, 200);
    assert_eq!(
        events(&house).await[written..],
        ["delivery.Sent", "delivery.Delivered"]
    );
    let all_sent = Accounting {
        sent: before.planned,
        in_doubt: 0,
        ..before
    };
    assert_eq!(house.accounting(id).await, all_sent);
    let subscriber = doubted["subscriber_id"].as_str().unwrap();
    let shown = delivery(&house, id, subscriber.parse().unwrap()).await;
    assert_eq!(
        (&shown["class"], &shown["feedback"], &shown["attempts"]),
        (&json!("sent"), &json!("delivered"), &json!(1))
    );

    // The same again, and whoever asks for what is in doubt finds nothing.
    assert_eq!(topic.tell(&house, &arrived).await, 200);
    assert_eq!(counted(&house, "repeated"), 1);
    retry(&house, id, RetriedClass::InDoubt).await;
    house.platform.clock.advance(Duration::from_secs(86_400));
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, all_sent);
    assert_eq!(sink.by_webhook(reader).len(), 1);
}
