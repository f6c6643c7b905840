//! Against messages that openssl has signed (`samples/`), and an SNS that tells what it was asked for.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tidings_service::Outbound;
use tidings_service::outbound::Policy;
use time::Duration;
use time::macros::datetime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-03-01 10:00 UTC);
const CERTIFICATE: &str = include_str!("samples/certificate.pem");
const PLACE: &str = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";
const NOTIFICATIONS: [&str; 2] = [
    include_str!("samples/notification.v1.json"),
    include_str!("samples/notification.v2.json"),
];
const SUBSCRIBED: &str = include_str!("samples/subscribed.v1.json");
const UNSUBSCRIBED: &str = include_str!("samples/unsubscribed.v2.json");
const WRONG: Refused = Refused::Unverified("its signature is wrong");

/// What was asked for.
type Asked = Arc<Mutex<Vec<String>>>;

/// Two topics, at an SNS that gives this.
fn sns(give: impl Fn(&str) -> Result<Vec<u8>, NoPage> + Send + Sync + 'static) -> (Sns, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let read_page: ReadPage = Arc::new(move |url| {
        let page = give(&url);
        noted.lock().unwrap().push(url);
        Box::pin(async move {
            tokio::task::yield_now().await;
            page
        })
    });
    let topics =
        "arn:aws:sns:eu-west-1:123456789012:mail-events,arn:aws:sns:eu-west-1:123456789012:b";
    (
        Sns::new(TopicArn::parse_all(topics).unwrap(), read_page),
        asked,
    )
}

fn honest() -> (Sns, Asked) {
    sns(|url| match url.ends_with(".pem") {
        true => Ok(CERTIFICATE.into()),
        false => Ok(b"<ConfirmSubscriptionResponse/>".into()),
    })
}

fn asked_of(asked: &Asked) -> Vec<String> {
    asked.lock().unwrap().clone()
}

/// A sample with one field changed, or taken out.
fn with(sample: &str, field: &str, value: &Value) -> String {
    let mut message: Value = serde_json::from_str(sample).unwrap();
    let fields = message.as_object_mut().unwrap();
    match value {
        Value::Null => fields.remove(field),
        value => fields.insert(field.to_owned(), value.clone()),
    };
    message.to_string()
}

async fn receive(sns: &Sns, message: &str) -> Result<Option<String>, Refused> {
    sns.receive(message.as_bytes(), NOW).await
}

#[tokio::test]
async fn what_openssl_has_signed_is_taken_in_both_versions() {
    let (sns, asked) = honest();
    let texts = [
        "{\"eventType\":\"Send\"}\n",
        "Grüße,\n\"zwei\" Zeilen\nMessageId\n",
    ];
    for (sample, text) in NOTIFICATIONS.into_iter().zip(texts) {
        assert_eq!(receive(&sns, sample).await, Ok(Some(text.to_owned())));
    }
    assert_eq!(asked_of(&asked), [PLACE], "the certificate is kept");
    assert_eq!(receive(&sns, UNSUBSCRIBED).await, Ok(None));
    assert_eq!(asked_of(&asked).len(), 1, "nobody subscribes again");
    assert_eq!(receive(&sns, SUBSCRIBED).await, Ok(None));
    let subscribed: Value = serde_json::from_str(SUBSCRIBED).unwrap();
    let confirmed = asked_of(&asked).pop().unwrap();
    assert_eq!(confirmed, subscribed["SubscribeURL"].as_str().unwrap());
    // SNS writes null where there is no subject.
    let without = with(NOTIFICATIONS[1], "Subject", &Value::Null);
    let with_null = without.replacen('{', "{\"Subject\":null,", 1);
    assert!(receive(&sns, &with_null).await.is_ok());
}

#[test]
fn what_is_signed_has_its_fields_in_the_order_of_their_names() {
    let signed = |sample: &str| Envelope::read(sample.as_bytes()).ok().unwrap().signed;
    insta::assert_snapshot!(signed(NOTIFICATIONS[0]), @r#"
    Message
    {"eventType":"Send"}

    MessageId
    22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
    Subject
    Amazon SES Email Event Notification
    Timestamp
    2026-03-01T09:54:06.655Z
    TopicArn
    arn:aws:sns:eu-west-1:123456789012:mail-events
    Type
    Notification
    "#);
    insta::assert_snapshot!(signed(NOTIFICATIONS[1]), @r#"
    Message
    Grüße,
    "zwei" Zeilen
    MessageId

    MessageId
    22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
    Timestamp
    2026-03-01T09:54:06.655Z
    TopicArn
    arn:aws:sns:eu-west-1:123456789012:mail-events
    Type
    Notification
    "#);
    insta::assert_snapshot!(signed(SUBSCRIBED), @r#"
    Message
    You have chosen to subscribe to the topic arn:aws:sns:eu-west-1:123456789012:mail-events.
    To confirm the subscription, visit the SubscribeURL included in this message.
    MessageId
    22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
    SubscribeURL
    https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:123456789012:mail-events&Token=2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92768dd60a747ba6f3beb71854e285d6ad02428b09ceece29417f1f02d609c582afbacc99c583a916b9981dd2728f4ae6fdb82efd087cc3b7849e05798d2d2785c03b0879594eeac82c01f235d0e717736
    Timestamp
    2026-03-01T09:54:06.655Z
    Token
    2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92768dd60a747ba6f3beb71854e285d6ad02428b09ceece29417f1f02d609c582afbacc99c583a916b9981dd2728f4ae6fdb82efd087cc3b7849e05798d2d2785c03b0879594eeac82c01f235d0e717736
    TopicArn
    arn:aws:sns:eu-west-1:123456789012:mail-events
    Type
    SubscriptionConfirmation
    "#);
    assert!(signed(UNSUBSCRIBED).ends_with("\nType\nUnsubscribeConfirmation\n"));
}

#[tokio::test]
async fn whatever_is_changed_is_found_out() {
    let (sns, _) = honest();
    let other_signature: Value = serde_json::from_str(SUBSCRIBED).unwrap();
    let notification = [
        ("Message", json!("{\"eventType\":\"Sent\"}\n")),
        ("MessageId", json!("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf325")),
        ("Subject", json!("Another")),
        ("Subject", json!("")),
        ("Subject", Value::Null),
        ("Timestamp", json!("2026-03-01T09:54:06.656Z")),
        ("TopicArn", json!("arn:aws:sns:eu-west-1:123456789012:b")),
        ("SignatureVersion", json!("2")),
        ("Signature", other_signature["Signature"].clone()),
        ("Signature", json!("")),
    ];
    for (field, value) in notification {
        let changed = with(NOTIFICATIONS[0], field, &value);
        assert_eq!(receive(&sns, &changed).await, Err(WRONG), "{field}");
    }
    let more = with(NOTIFICATIONS[1], "Subject", &json!("One"));
    assert_eq!(receive(&sns, &more).await, Err(WRONG));
    let confirmation = [
        ("Token", json!("2336412f37")),
        (
            "SubscribeURL",
            json!("https://sns.eu-west-1.amazonaws.com/"),
        ),
        ("SubscribeURL", Value::Null),
        ("Type", json!("UnsubscribeConfirmation")),
        ("Type", json!("Notification")),
    ];
    let (sns, asked) = honest();
    for (field, value) in confirmation {
        let changed = with(SUBSCRIBED, field, &value);
        assert_eq!(receive(&sns, &changed).await, Err(WRONG), "{field}");
    }
    assert_eq!(asked_of(&asked), [PLACE], "nothing is confirmed");
}

#[tokio::test]
async fn what_cannot_be_read_has_nothing_fetched() {
    let (sns, asked) = honest();
    let twice = NOTIFICATIONS[0].replacen('{', "{\"Type\":\"Notification\",", 1);
    let mut all = vec![
        String::new(),
        "[]".to_owned(),
        "{\"eventType\":\"Bounce\"}".to_owned(),
        twice,
    ];
    for (sample, field, value) in [
        (NOTIFICATIONS[0], "Type", json!("notification")),
        (NOTIFICATIONS[0], "Message", Value::Null),
        (NOTIFICATIONS[0], "SignatureVersion", json!("3")),
        (NOTIFICATIONS[0], "SignatureVersion", json!(1)),
        (NOTIFICATIONS[0], "Signature", json!("*")),
        (NOTIFICATIONS[0], "SigningCertURL", Value::Null),
        (NOTIFICATIONS[0], "Subject", json!("a\nTimestamp\nb")),
        (NOTIFICATIONS[0], "MessageId", json!("a\n")),
        (SUBSCRIBED, "Token", Value::Null),
        (SUBSCRIBED, "Token", json!("")),
        (SUBSCRIBED, "Token", json!("a&Action=Publish")),
    ] {
        all.push(with(sample, field, &value));
    }
    for message in all {
        let refused = receive(&sns, &message).await;
        assert!(matches!(refused, Err(Refused::Malformed(_))), "{message}");
    }
    assert!(asked_of(&asked).is_empty());
}

#[tokio::test]
async fn no_certificate_is_fetched_from_anywhere_else() {
    let (sns, asked) = honest();
    let name = "/SimpleNotificationService-0123456789abcdef.pem";
    let at = |host: &str| format!("https://{host}{name}");
    let mut all: Vec<String> = [
        "sns.eu-west-1.amazonaws.com.evil.example",
        "evil.example/sns.eu-west-1.amazonaws.com",
        "evilsns.eu-west-1.amazonaws.com",
        "sns.eu-west-1.amazonaws.com@evil.example",
        "user:pw@sns.eu-west-1.amazonaws.com",
        "sns.eu-west-1.amazonaws.com:443",
        "sns.eu-west-1.amazonaws.com:8443",
        "sns.eu-west-1.amazonaws.com.",
        "SNS.eu-west-1.amazonaws.com",
        // Not of the topic's region.
        "sns.us-east-1.amazonaws.com",
        "sns.cn-north-1.amazonaws.com.cn",
        "sns.eu-west-1.amazonaws.com.cn",
        "sns.amazonaws.com",
        "s3.eu-west-1.amazonaws.com",
        "sns.eu-west-1.amazonaws.com\\@evil.example",
        "sns.eu-west-1.amazonaws.com#@evil.example",
        "sns.eu-west-1.amazonaws.com?@evil.example",
        "127.0.0.1",
        "",
    ]
    .map(at)
    .into();
    let host = "https://sns.eu-west-1.amazonaws.com";
    all.extend([
        String::new(),
        PLACE.replace("https", "http"),
        PLACE.replace("https", "HTTPS"),
        format!(" {PLACE}"),
        format!("{PLACE}\n"),
        format!("{PLACE}?x=.pem"),
        format!("{PLACE}#.pem"),
        format!("{host}/SimpleNotificationService-.pem"),
        format!("{host}/SimpleNotificationService-a.pem/../x.pem"),
        format!("{host}/SimpleNotificationService-../x.pem"),
        format!("{host}/SimpleNotificationService-%2e%2e%2fx.pem"),
        format!("{host}/SimpleNotificationService-{}.pem", "a".repeat(65)),
        format!("{host}/x{name}"),
        format!("{host}/{name}"),
        format!("{host}/?Action=Publish&x={name}"),
    ]);
    for url in all {
        let elsewhere = with(NOTIFICATIONS[0], "SigningCertURL", &json!(url));
        let refused = receive(&sns, &elsewhere).await;
        let why = Refused::Unverified("its certificate lies elsewhere than at SNS");
        assert_eq!(refused, Err(why), "{url}");
    }
    assert!(asked_of(&asked).is_empty());
}

#[tokio::test]
async fn a_topic_that_is_not_ours_has_nothing_fetched() {
    let (sns, asked) = honest();
    for topic in [
        "arn:aws:sns:eu-west-1:999999999999:mail-events",
        "arn:aws:sns:eu-west-1:123456789012:mail-events2",
        "arn:aws:sns:eu-west-1:123456789012:mail",
        "",
    ] {
        let other = with(NOTIFICATIONS[0], "TopicArn", &json!(topic));
        let refused = receive(&sns, &other).await;
        let why = Refused::Unverified("its topic is none of `ses.topics`");
        assert_eq!(refused, Err(why));
    }
    assert!(asked_of(&asked).is_empty());
}

#[tokio::test]
async fn a_certificate_counts_while_it_is_valid_also_one_that_is_kept() {
    let (sns, _) = honest();
    let refused = Err(Refused::Unverified("its certificate is not valid now"));
    let message = NOTIFICATIONS[1].as_bytes();
    for (now, valid) in [
        (datetime!(2025-12-31 23:59:59 UTC), false),
        (datetime!(2026-01-01 0:00 UTC), true),
        (datetime!(2027-01-01 0:00 UTC), true),
        (datetime!(2027-01-01 0:00:01 UTC), false),
    ] {
        let received = sns.receive(message, now).await;
        assert_eq!(received.is_ok(), valid, "{now}");
        assert!(valid || received == refused);
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_and_what_cannot_be_had_is_tried_again() {
    let elsewhere = Refused::Unverified("there is no certificate where it says");
    let away = Refused::Away("its certificate cannot be had at the moment");
    let cut = CERTIFICATE.split_at(300).0;
    let pages: [(Result<&str, NoPage>, Refused); 5] = [
        (Err(NoPage::Nothing), elsewhere),
        (Err(NoPage::Away), away),
        // Somebody between us and SNS has answered.
        (Ok(""), away),
        (Ok("<html>-----END CERTIFICATE-----"), away),
        (Ok(cut), away),
    ];
    for (page, why) in pages {
        let page = page.map(|text| text.as_bytes().to_vec());
        let (sns, asked) = sns(move |_| page.clone());
        for _ in 0..5 {
            assert_eq!(receive(&sns, NOTIFICATIONS[0]).await, Err(why));
        }
        assert_eq!(asked_of(&asked).len(), 1, "not for every message");
        let later = NOW + Duration::seconds(10);
        let again = sns.receive(NOTIFICATIONS[0].as_bytes(), later).await;
        assert_eq!((again, asked_of(&asked).len()), (Err(why), 2));
    }
    let (sns, _) = sns(|url| match url.ends_with(".pem") {
        true => Ok(CERTIFICATE.into()),
        false => Err(NoPage::Nothing),
    });
    let unconfirmed = Err(Refused::Away("SNS did not confirm the subscription"));
    assert_eq!(receive(&sns, SUBSCRIBED).await, unconfirmed);
}

/// Another certificate at SNS: there is one at each.
fn another(n: usize) -> String {
    let url = PLACE.replace("0123456789abcdef.pem", &format!("{n}.pem"));
    with(NOTIFICATIONS[0], "SigningCertURL", &json!(url))
}

#[tokio::test]
async fn a_stranger_can_have_only_so_much_fetched() {
    let (sns, asked) = sns(|_| Err(NoPage::Nothing));
    for n in 0..50 {
        let refused = receive(&sns, &another(n)).await;
        assert_eq!(matches!(refused, Err(Refused::Away(_))), n >= 10, "{n}");
    }
    assert_eq!(asked_of(&asked).len(), 10);
    let later = NOW + Duration::MINUTE;
    for n in 50..100 {
        let refused = sns.receive(another(n).as_bytes(), later).await;
        assert!(refused.is_err());
    }
    assert_eq!(asked_of(&asked).len(), 20);
}

#[tokio::test]
async fn strangers_do_not_keep_a_subscription_from_being_confirmed() {
    let (sns, asked) = sns(|url| match url {
        PLACE => Ok(CERTIFICATE.into()),
        url if url.ends_with(".pem") => Err(NoPage::Nothing),
        _ => Ok(b"<ConfirmSubscriptionResponse/>".into()),
    });
    assert!(receive(&sns, NOTIFICATIONS[0]).await.is_ok());
    for n in 0..50 {
        assert!(receive(&sns, &another(n)).await.is_err());
    }
    assert_eq!(receive(&sns, SUBSCRIBED).await, Ok(None));
    assert_eq!(asked_of(&asked).len(), 11);
}

#[tokio::test]
async fn certificates_that_have_served_stay() {
    let (sns, asked) = honest();
    for minute in 0..10 {
        let now = NOW + Duration::minutes(minute);
        for n in 0..10 {
            let number = usize::try_from(minute).unwrap() * 10 + n;
            // It may have been signed with any of them; most are named by strangers.
            let message = match number % 50 {
                0 => another(number),
                _ => another(number).replace("22b80b92", "00000000"),
            };
            let _ = sns.receive(message.as_bytes(), now).await;
        }
    }
    let asked_before = asked_of(&asked).len();
    assert_eq!(asked_before, 100);
    let now = NOW + Duration::HOUR;
    for n in [0, 50] {
        assert!(sns.receive(another(n).as_bytes(), now).await.is_ok());
    }
    assert_eq!(asked_of(&asked).len(), asked_before);
    let forgotten = another(98);
    assert!(sns.receive(forgotten.as_bytes(), now).await.is_ok());
    assert_eq!(asked_of(&asked).len(), asked_before + 1);
}

#[tokio::test]
async fn a_burst_fetches_the_certificate_once() {
    let (sns, asked) = honest();
    let all = join_all((0..20).map(|_| receive(&sns, NOTIFICATIONS[0]))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(asked_of(&asked).len(), 1);
}

/// A server that answers so to whoever comes, and its address.
async fn server(reply: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4_096]).await;
            let _ = socket.write_all(reply.as_bytes()).await;
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn only_a_whole_page_is_a_page_and_a_redirect_is_none() {
    let policy = Policy {
        allow_loopback: true,
        ..Policy::strict()
    };
    let read_page = pages(Outbound::new(policy).unwrap());
    let target = server("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage").await;
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
    for (reply, page) in [
        (moved.leak() as &str, Err(NoPage::Away)),
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
            Err(NoPage::Away),
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            Err(NoPage::Nothing),
        ),
        (
            "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
            Err(NoPage::Away),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npage",
            Err(NoPage::Away),
        ),
        ("", Err(NoPage::Away)),
    ] {
        assert_eq!(read_page(server(reply).await).await, page, "{reply}");
    }
    assert_eq!(read_page(target).await, Ok(b"page".to_vec()));
    let strict = pages(Outbound::new(Policy::strict()).unwrap());
    let inside = server("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage").await;
    assert_eq!(strict(inside).await, Err(NoPage::Away));
}
