//! What a mail tells of its reader: on record before the answer, in every view, in words and in the export; and gone when its month's
//! time is over or the reader is erased, while what was counted stays.

mod ended;

use actix_web::http::header;
use actix_web::test::{TestRequest, read_body};
use actix_web::web::{self, Bytes, ServiceConfig};
use serde_json::{Value, json};
use tidings_domain::stream_id;
use tidings_domain::token::{Done, TrackingLink};
use tidings_domain::value::Month;
use tidings_event_store::Recorded;
use tidings_proto::Event;
use tidings_tests::api;
use tidings_tests::house::House;
use uuid::Uuid;

use super::bounced::house_commands;
use super::officer::{Office, unpacked};

const ADA: &str = "ada@example.org";
const GRACE: &str = "grace@example.org";
const URL: &str = "https://example.org/timetable?day=7";
const TEXT: &str = "It runs again: [the times](https://example.org/timetable?day=7).\n";
/// A person's, and what Apple's Mail Privacy Protection and a scanner of links say.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) Canary/7";
const APPLE: &str = "Mozilla/5.0";
const SCANNER: &str = "LinkScanner/2 (canary)";

/// A mail's way to tell that it was opened, and that its link was followed.
struct Told {
    delivery_id: Uuid,
    picture: String,
    link: String,
}

/// An edition that has gone out to Ada and Grace.
struct Edition {
    office: Office,
    readers: [Uuid; 2],
    publication_id: Uuid,
    mails: [Told; 2],
}

impl Edition {
    async fn sent() -> Self {
        let office = Office::open().await;
        let house = &office.house;
        let readers = [house.subscriber(ADA).await, house.subscriber(GRACE).await];
        let channel = tracking(house, "opens_and_clicks").await;
        let publication_id = house.publish("The ferry", TEXT, &[channel]).await;
        office.settle().await;
        let mails = [ADA, GRACE].map(|email| told(house, email));
        Self {
            readers,
            publication_id,
            mails,
            office,
        }
    }

    async fn engagement(&self) -> Value {
        let id = self.publication_id;
        let path = format!("/api/v1/publications/{id}/engagement");
        let (status, engagement) = self.office.get(&path).await;
        assert_eq!(status, 200, "{engagement}");
        engagement
    }

    async fn periods(&self) -> Vec<Value> {
        let (status, page) = self.office.get("/api/v1/engagement/periods").await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().clone()
    }

    /// The hits of one reader's mail, as the log has them.
    async fn hits(&self, reader: usize) -> Vec<Recorded> {
        let stream = stream_id::engagement(self.mails[reader].delivery_id);
        let log = self.office.house.platform.store.log();
        log.stream(stream).await.unwrap()
    }

    /// Ada reads; of Grace's mail programs fetch what they fetch by themselves.
    async fn read(&self) {
        let [ada, grace] = &self.mails;
        assert_eq!(
            fetch(&self.office.house, &ada.picture, BROWSER).await.0,
            200
        );
        let (status, to, _) = fetch(&self.office.house, &ada.link, BROWSER).await;
        assert_eq!((status, to.as_deref()), (302, Some(URL)));
        fetch(&self.office.house, &grace.picture, APPLE).await;
        fetch(&self.office.house, &grace.link, SCANNER).await;
        self.office.settle().await;
    }
}

/// An e-mail channel into the SMTP sink, whose mails tell so much.
async fn tracking(house: &House, extent: &str) -> Uuid {
    let settings = json!({
        "host": "127.0.0.1",
        "port": house.smtp.addr().port(),
        "encryption": "none",
        "from": "Town Crier <crier@news.example.org>",
        "tracking": extent,
    });
    house.channel("email", settings, None).await
}

/// What the only mail to somebody has in it.
fn told(house: &House, email: &str) -> Told {
    let mails = house.smtp.by_recipient(email);
    let raw = mails[0].raw().unwrap().to_vec();
    // Soft line ends of quoted-printable taken out.
    let mail = String::from_utf8(raw).unwrap().replace("=\r\n", "");
    let (mut picture, mut link, mut delivery_id) = (None, None, None);
    for rest in mail.split("https://news.example.org/t/").skip(1) {
        let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let token = &rest[..rest.find(|c| !of_token(c)).unwrap()];
        let verified = TrackingLink::verify(token, &house.tracking_keys).unwrap();
        delivery_id = Some(verified.delivery_id);
        let path = Some(format!("/t/{token}"));
        match verified.done {
            Done::Opened => picture = path,
            Done::Clicked { url, .. } => {
                assert_eq!(url, URL);
                link = path;
            }
        }
    }
    Told {
        delivery_id: delivery_id.unwrap(),
        picture: picture.unwrap(),
        link: link.unwrap(),
    }
}

/// As a mail program does; gives the status, where it leads, and what came.
async fn fetch(house: &House, path: &str, user_agent: &str) -> (u16, Option<String>, Bytes) {
    let commands = web::Data::new(house_commands(house));
    let rooms = |cfg: &mut ServiceConfig| {
        cfg.app_data(commands);
        tidings_command_api::routes(cfg);
    };
    let request = TestRequest::get().uri(path);
    let request = request.insert_header((header::USER_AGENT, user_agent));
    let answers = api::answers(&house.platform, rooms, vec![request]).await;
    let answer = answers.into_iter().next().unwrap();
    let to = answer.headers().get(header::LOCATION).cloned();
    let to = to.map(|it| it.to_str().unwrap().to_owned());
    (answer.status().as_u16(), to, read_body(answer).await)
}

/// `engagement.csv` of an export, line by line.
fn rows(zip: &[u8]) -> Vec<String> {
    let mut files = unpacked(zip).into_iter();
    let (_, csv) = files.find(|(name, _)| name == "engagement.csv").unwrap();
    let csv = String::from_utf8(csv).unwrap();
    csv.lines().map(str::to_owned).collect()
}

fn month(edition: &Edition) -> Month {
    Month::of(edition.office.house.platform.clock.clock().now())
}

#[actix_web::test]
async fn what_mails_tell_is_on_record_and_shown_for_what_it_is() {
    let edition = Edition::sent().await;
    edition.read().await;
    let hits = edition.hits(0).await;
    let types: Vec<&str> = hits.iter().map(|it| it.event_type.as_str()).collect();
    assert_eq!(types, ["engagement.Opened", "engagement.Clicked"]);
    assert_eq!(hits[0].subject, Some(edition.readers[0]));

    let engagement = edition.engagement().await;
    let counts = json!({
        "sent": 2, "opened": 1, "clicked": 1, "machine_only": 1,
        "opens": 1, "machine_opens": 1, "clicks": 1, "machine_clicks": 1,
    });
    let channel = &engagement["channels"][0];
    assert_eq!(channel["tracking"], "opens_and_clicks");
    for (name, count) in counts.as_object().unwrap() {
        assert_eq!(
            (&engagement[name], &channel[name]),
            (count, count),
            "{name}"
        );
    }
    let delivery = async |n: usize| {
        let id = edition.mails[n].delivery_id;
        edition
            .office
            .get(&format!("/api/v1/deliveries/{id}"))
            .await
            .1
    };
    let (ada, grace) = (delivery(0).await, delivery(1).await);
    assert!(
        ada["opened_at"].is_string() && ada["clicked_at"].is_string(),
        "{ada}"
    );
    assert!(
        grace["opened_at"].is_null() && grace["clicked_at"].is_null(),
        "{grace}"
    );
    let listed = format!("/api/v1/publications/{}/deliveries", edition.publication_id);
    let listed = edition.office.get(&listed).await.1;
    assert!(listed["items"].as_array().unwrap().contains(&ada));

    let periods = edition.periods().await;
    let of_month = json!({
        "period": "2026-03", "state": "open", "opens": 2, "clicks": 2,
        "kept_until": "2027-05-01T00:00:00Z", "closed_at": null, "shredded_at": null,
    });
    assert_eq!(periods, [of_month]);
    in_words(&edition).await;
}

/// In the timeline, and in the export.
async fn in_words(edition: &Edition) {
    let told = edition.office.timeline(edition.readers[0]).await;
    let words: Vec<&str> = told
        .iter()
        .map(|it| it["words"].as_str().unwrap())
        .collect();
    let clicked = format!(
        "The message “The ferry” by the channel “email” was read: a link to “{URL}” in it was followed by a browser or mail program \
         (“{BROWSER}”)."
    );
    assert_eq!(words[0], clicked);
    assert!(
        words[1].contains("was opened: its picture was fetched"),
        "{words:?}"
    );
    let zip = edition.office.export(edition.readers[0]).await;
    let csv = rows(&zip);
    assert_eq!(csv.len(), 3, "{csv:?}");
    let of_click = [
        edition.publication_id.to_string(),
        "reader".to_owned(),
        "false".to_owned(),
    ];
    let of_click = format!("\"{}\",\"{URL}\",\"{BROWSER}\"", of_click.join("\",\""));
    assert!(csv[2].ends_with(&of_click), "{}", csv[2]);
    let grace = rows(&edition.office.export(edition.readers[1]).await);
    assert!(
        grace[1].contains("\"prefetch\",\"true\",\"\",\"Mozilla/5.0\""),
        "{grace:?}"
    );
    assert!(!grace.concat().contains(BROWSER), "what is another's");
    // Which link it was is an id, and stands there as one.
    let (_, events) = unpacked(&zip).remove(2);
    let events = String::from_utf8(events).unwrap();
    let clicked = events
        .lines()
        .find(|it| it.contains("\"engagement.Clicked\""));
    let clicked: Value = serde_json::from_str(clicked.unwrap()).unwrap();
    let link = clicked["opened"]["link"].as_str().unwrap();
    assert!(link.parse::<Uuid>().is_ok(), "{clicked}");
}

/// Nobody asked mails to tell anything: they hold nothing that could.
#[actix_web::test]
async fn a_channel_that_does_not_ask_sends_mails_that_tell_nothing() {
    let office = Office::open().await;
    let house = &office.house;
    house.subscriber(ADA).await;
    let channel = tracking(house, "off").await;
    let id = house.publish("The ferry", TEXT, &[channel]).await;
    office.settle().await;
    let mails = house.smtp.by_recipient(ADA);
    let mail = String::from_utf8(mails[0].raw().unwrap().to_vec()).unwrap();
    assert!(!mail.replace("=\r\n", "").contains("/t/"), "{mail}");
    let path = format!("/api/v1/publications/{id}/engagement");
    let engagement = office.get(&path).await.1;
    assert_eq!(engagement["channels"][0]["tracking"], "off");
    assert_eq!(
        (&engagement["sent"], &engagement["opened"]),
        (&json!(1), &json!(0))
    );
    let unknown = format!("/api/v1/publications/{}/engagement", Uuid::from_u128(7));
    assert_eq!(office.get(&unknown).await.0, 404);
}
