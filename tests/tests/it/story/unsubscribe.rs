//! Nobody gets a mail they have left (invariant 6).

use std::collections::HashMap;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use futures_util::{StreamExt as _, stream};
use reqwest::Client;
use tidings_command_api::{Commands, routes};
use tidings_domain::publication::Priority;
use tidings_domain::stream_id;
use tidings_domain::subscriber::What;
use tidings_domain::token::{LinkKeys, UnsubscribeLink};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_domain::value::EmailAddress;
use tidings_event_store::Recorded;
use tidings_proto::Event;
use tidings_service::auth::Authenticator;
use tidings_service::http::{body_deadline, configure, request_context};
use tidings_tests::api::{config, edge};
use tidings_tests::house::{Accounting, House};
use time::macros::date;
use uuid::Uuid;

use super::commands::commands;

const SUBSCRIBERS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn who_left_before_the_attempt_gets_nothing() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    house.subscriber("grace@example.org").await;
    let channel = house.email_channel().await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    // Frozen and planned with both, then one leaves before anything is attempted.
    house.unsubscribe(ada).await;
    house.platform.settle().await;
    let accounting = house.accounting(id).await;
    assert!(accounting.balances());
    assert_eq!(accounting.sent, 1);
    assert_eq!(house.smtp.by_recipient("ada@example.org").len(), 0);
    assert_eq!(house.smtp.by_recipient("grace@example.org").len(), 1);
}

/// Serves the commands on a port of this machine, as a platform does; gives its URL.
pub(super) fn serve(house: &House) -> String {
    let link_keys = LinkKeys::clone(&house.link_keys);
    serve_commands(
        house,
        commands(&house.platform, house.id_key.clone(), link_keys),
    )
}

/// The same for these.
pub(super) fn serve_commands(house: &House, commands: Commands) -> String {
    let edge = edge(&house.platform);
    let authenticator = Authenticator::new(&config().auth, house.platform.clock.clock()).unwrap();
    let authenticator = web::Data::new(authenticator);
    let commands = web::Data::new(commands);
    let server = HttpServer::new(move || {
        App::new()
            .configure(configure(edge.clone()))
            .wrap(from_fn(body_deadline))
            .wrap(from_fn(request_context))
            .app_data(commands.clone())
            .app_data(authenticator.clone())
            .configure(routes)
    });
    let server = server.disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    url
}

/// The link that stands in every mail to this reader.
fn link(house: &House, subscriber_id: Uuid, email: &str) -> String {
    link_from(house, subscriber_id, email, None)
}

/// The same for a topic alone, if there is one.
fn link_from(house: &House, subscriber_id: Uuid, email: &str, topic_id: Option<Uuid>) -> String {
    let email = EmailAddress::parse(email).unwrap();
    let link = UnsubscribeLink {
        subscriber_id,
        topic_id,
        delivery_id: None,
        address_suppression_id: stream_id::address_suppression(&house.id_key, &email),
        issued: date!(2026 - 03 - 02),
    };
    format!("/u/{}", link.sign(house.link_keys.current()))
}

/// A mail program that writes a mail to leave: the address and the subject stand in `List-Unsubscribe`.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_to_the_address_in_the_header_is_enough_to_leave() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    let settings = serde_json::json!({
        "host": "127.0.0.1", "port": house.smtp.addr().port(), "encryption": "none",
        "from": "Town Crier <crier@news.example.org>",
        "unsubscribe_mailbox": "leave@news.example.org",
    });
    let channel = house.channel("email", settings, None).await;
    house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let mails = house.smtp.by_recipient("ada@example.org");
    let mail = String::from_utf8(mails[0].raw().unwrap().to_vec()).unwrap();
    let (_, mailto) = mail.split_once("<mailto:").unwrap();
    let (mailto, _) = mailto.split_once('>').unwrap();
    let (address, subject) = mailto.split_once("?subject=").unwrap();
    assert_eq!(address, "leave@news.example.org");
    let subject = subject.replace("%20", " ");

    let url = serve(&house);
    let hand_over = async |subject: &str| {
        // Who it is from says nothing: anybody can write any address.
        let mail = format!("From: mallory@example.net\r\nSubject: {subject}\r\n\r\n");
        hand_over(&url, mail).await
    };
    assert_eq!(hand_over("unsubscribe").await, 422);
    assert_eq!(hand_over(&subject[..subject.len() - 1]).await, 422);
    let log = house.platform.store.log().stream(ada).await.unwrap();
    assert_eq!(log.len(), 1, "nothing has changed");
    assert_eq!(hand_over(&subject).await, 204);
    assert_eq!(hand_over(&subject).await, 204);
    let log = house.platform.store.log().stream(ada).await.unwrap();
    assert_eq!(log.len(), 2, "the second mail changes nothing");
    assert_eq!(log[1].actor, "subscriber:mail");
    let Ok(Event::SubscriberUnsubscribed(left)) = log[1].decode() else {
        panic!("{}", log[1].event_type);
    };
    assert_eq!(left.method, "mail");
}

/// Hands a mail over as its server does; gives the status of the answer.
async fn hand_over(url: &str, mail: String) -> u16 {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{url}/hooks/mail"));
    let request = request.header("content-type", "message/rfc822").body(mail);
    request.send().await.unwrap().status().as_u16()
}

/// Where no subject or text has the token, any other line of the mail will do: programs keep a subject in headers of
/// their own, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_anywhere_in_the_mail_is_enough_to_leave() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    let link = link(&house, ada, "ada@example.org");
    let token = link.strip_prefix("/u/").unwrap();
    let mail = format!("Subject: goodbye\r\nThread-Topic: unsubscribe {token}\r\n\r\nhello\r\n");
    assert_eq!(hand_over(&serve(&house), mail).await, 204);
    let log = house.platform.store.log().stream(ada).await.unwrap();
    assert_eq!(log[1].actor, "subscriber:mail");
}

/// Whoever is away has a machine that quotes what it answers, and with it the link. Theirs is not the word to leave.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_quotes_the_link_does_not_ask_to_leave() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    let link = link(&house, ada, "ada@example.org");
    let token = link.strip_prefix("/u/").unwrap();
    let url = serve(&house);
    let away = format!(
        "From: Ada <ada@example.org>\r\nSubject: Automatic reply: The ferry\r\n\
         Auto-Submitted: auto-generated\r\n\r\nI am away.\r\n> https://news.example.org{link}\r\n"
    );
    let failed = format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nSubject: failure notice\r\n\r\n\
         Hi. This is the qmail-send program.\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n\
         List-Unsubscribe: <https://news.example.org{link}>\r\n"
    );
    for mail in [away, failed] {
        assert_eq!(hand_over(&url, mail).await, 202);
    }
    let log = house.platform.store.log().stream(ada).await.unwrap();
    assert_eq!(log.len(), 1, "nothing has changed");
    // Apple Mail calls itself a machine when its reader leaves with it.
    let mail = format!(
        "From: ada@example.org\r\nSubject: unsubscribe {token}\r\nAuto-Submitted: auto-replied\r\n\
         X-Apple-Unsubscribe: true\r\n\r\nApple Mail sent this email to unsubscribe.\r\n"
    );
    assert_eq!(hand_over(&url, mail).await, 204);
}

/// Anybody may write to the address.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_nothing_but_mails_within_mails_is_survived() {
    let house = House::start().await;
    let mail = "Content-Type:message/rfc822\n\n".repeat(36_100) + "Subject: x\n\nhello\n";
    assert_eq!(hand_over(&serve(&house), mail).await, 422);
}

/// Whoever leaves a topic still gets the rest.
#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_topic_is_not_leaving() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    let topic = house.platform.ids.next();
    let link = link_from(&house, ada, "ada@example.org", Some(topic));
    let client = Client::builder().no_proxy().build().unwrap();
    one_click(&client, format!("{}{link}", serve(&house))).await;
    let log = house.platform.store.log().stream(ada).await.unwrap();
    let Ok(Event::SubscriberUnsubscribed(left)) = log[1].decode() else {
        panic!("{}", log[1].event_type);
    };
    assert_eq!(left.topic_id, topic.as_bytes().as_slice());
    let channel = house.email_channel().await;
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.smtp.by_recipient("ada@example.org").len(), 1);
}

/// What a mail program does when somebody presses its button.
async fn one_click(client: &Client, url: String) {
    let form = "application/x-www-form-urlencoded";
    let request = client.post(url).header("content-type", form);
    let answer = request.body("List-Unsubscribe=One-Click").send().await;
    assert_eq!(answer.unwrap().status(), 200);
}

/// A thousand people press the button of their mail program while a publication goes out to them: the links leave
/// everything or its topic; or they leave its channel.
#[tokio::test(flavor = "multi_thread")]
async fn racing_a_running_send_no_attempt_stands_after_an_unsubscribe() {
    let house = House::start().await;
    let names: Vec<String> = (0..SUBSCRIBERS)
        .map(|n| format!("reader{n}@example.org"))
        .collect();
    let subscribers: Vec<Uuid> = stream::iter(&names)
        .map(|name| house.subscriber(name))
        .buffered(64)
        .collect()
        .await;
    let channel = house.email_channel().await;
    let topic = house.topic("ferry", ByDefault::In, Sender::default()).await;
    house.platform.settle().await;
    let id = house
        .publish_about("The ferry", &[topic], Priority::Ordinary, &[channel])
        .await;
    let url = serve(&house);
    let client = Client::builder().no_proxy().build().unwrap();
    let leave = async |n: usize, subscriber: Uuid, name: &str| match n % 3 {
        0 => one_click(&client, format!("{url}{}", link(&house, subscriber, name))).await,
        1 => {
            let link = link_from(&house, subscriber, name, Some(topic));
            one_click(&client, format!("{url}{link}")).await;
        }
        _ => drop(house.leave(subscriber, What::Channel(channel)).await),
    };
    let leaving = async {
        // Not before the first mail is out, then as fast as the log takes it.
        house.smtp.wait_for(1).await;
        stream::iter(subscribers.iter().zip(&names).enumerate())
            .for_each_concurrent(64, |(n, (subscriber, name))| leave(n, *subscriber, name))
            .await;
    };
    tokio::join!(house.platform.settle(), leaving);
    house.platform.settle().await;

    let accounting = house.accounting(id).await;
    assert_eq!(accounting.planned, SUBSCRIBERS as i64);
    let settled = Accounting {
        pending: 0,
        ..accounting
    };
    assert_eq!(accounting, settled, "everything is settled");
    assert!(accounting.balances());
    assert_eq!(accounting.sent + accounting.suppressed, SUBSCRIBERS as i64);
    assert!(accounting.sent > 0);
    assert_eq!(house.smtp.count() as i64, accounting.sent);

    let events = house
        .platform
        .store
        .log()
        .page_after(0, 100_000)
        .await
        .unwrap();
    let left: HashMap<Uuid, i64> = events
        .iter()
        .filter(|event| event.event_type == "subscriber.Unsubscribed")
        .map(|event| (event.stream_id, event.position))
        .collect();
    assert_eq!(left.len(), SUBSCRIBERS);
    no_attempt_stands_after(&left, &events);
}

fn no_attempt_stands_after(left: &HashMap<Uuid, i64>, events: &[Recorded]) {
    let receivers: HashMap<Uuid, Uuid> = events
        .iter()
        .filter(|event| event.event_type == "delivery.Planned")
        .filter_map(|event| Some((event.stream_id, event.subject?)))
        .collect();
    for attempted in events
        .iter()
        .filter(|event| event.event_type == "delivery.Attempted")
    {
        let unsubscribed = left[&receivers[&attempted.stream_id]];
        assert!(
            attempted.position < unsubscribed,
            "attempted at {} after leaving at {unsubscribed}",
            attempted.position
        );
    }
}
