//! What an officer answers for: every look is on record, what happened is told in plain words, an export proves itself
//! and holds nobody else's data, and what is erased is said to be.

mod addresses;
mod erasing;

use std::io::{Cursor, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use actix_web::test::TestRequest;
use actix_web::web::{self, Bytes, ServiceConfig};
use serde_json::{Value, json};
use tidings_command_api::recorder;
use tidings_event_store::export::digest_of;
use tidings_event_store::hex::Hex;
use tidings_event_store::witness::{Folder, Keeper, PublicKey};
use tidings_projector::subscriber_export::check::{Checked, Fault, check};
use tidings_projector::{Projector, Reader};
use tidings_service::Problem;
use tidings_service::look::RecordLook;
use tidings_tests::api;
use tidings_tests::house::House;
use uuid::Uuid;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::bounced::house_commands;

const CANARY: &str = "canary.5e1d@example.org";
const GRACE: &str = "grace@example.org";
const FILES: [&str; 8] = [
    "README.html",
    "profile.json",
    "events.jsonl",
    "consent.csv",
    "deliveries.csv",
    "engagement.csv",
    "proof.json",
    "manifest.json",
];

/// A house with a witness, and an officer in it.
pub(super) struct Office {
    pub(super) house: House,
    folder: tempfile::TempDir,
}

impl Office {
    pub(super) async fn open() -> Self {
        Self {
            house: House::start().await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Everybody has heard of everything, and the witness has signed it.
    pub(super) async fn settle(&self) {
        let platform = &self.house.platform;
        platform.settle().await;
        let now = platform.clock.clock().now();
        let log = platform.store.log();
        let key = platform.store.vault().witness_key(now).await.unwrap();
        let mut keeper = Keeper::new(log.clone(), Folder::new(self.folder.path()), key);
        let head = log.head().await.unwrap().position;
        while keeper.standings().borrow().position < head {
            keeper.step(now).await.unwrap();
        }
    }

    pub(super) async fn key(&self) -> PublicKey {
        let platform = &self.house.platform;
        let now = platform.clock.clock().now();
        let key = platform.store.vault().witness_key(now).await.unwrap();
        key.public()
    }

    /// Reads as the platform does, but for who looks.
    pub(super) fn reader(&self) -> Reader {
        let platform = &self.house.platform;
        let stops = Projector::new(&platform.store, &platform.feed).stops();
        Reader::new(platform.store.clone(), stops, Duration::from_secs(5))
            .with_witness(Folder::new(self.folder.path()))
            .with_engagement_kept(13)
    }

    async fn ask_with(&self, request: TestRequest, looks: Option<RecordLook>) -> (u16, Bytes) {
        let platform = &self.house.platform;
        let commands = web::Data::new(house_commands(&self.house));
        let looks = looks.unwrap_or_else(|| recorder(commands.clone().into_inner()));
        let reader = self.reader().with_looks(looks);
        let clock = web::Data::new(platform.clock.clock());
        let rooms = |cfg: &mut ServiceConfig| {
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

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let request = TestRequest::get().uri(path);
        let request = request.insert_header(("Look-Reason", "sie fragt, was wir über sie wissen"));
        let (status, body) = self.ask_with(request, None).await;
        (status, serde_json::from_slice(&body).unwrap())
    }

    pub(super) async fn timeline(&self, id: Uuid) -> Vec<Value> {
        let (status, page) = self
            .get(&format!("/api/v1/subscribers/{id}/timeline"))
            .await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().clone()
    }

    pub(super) async fn export(&self, id: Uuid) -> Vec<u8> {
        self.settle().await;
        let request = TestRequest::post().uri(&format!("/api/v1/subscribers/{id}/export"));
        let request = request.insert_header(("Look-Reason", "she asked for a copy"));
        let (status, body) = self.ask_with(request, None).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        body.to_vec()
    }

    pub(super) async fn erase(&self, id: Uuid) {
        let path = format!("/api/v1/subscribers/{id}/erase");
        let request = TestRequest::post().uri(&path).set_json(json!({}));
        assert_eq!(self.ask_with(request, None).await.0, 202);
        self.settle().await;
    }

    pub(super) async fn looks_at(&self, id: Uuid) -> Vec<Value> {
        self.house.platform.settle().await;
        let (status, page) = self.get(&format!("/api/v1/access?subscriber={id}")).await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().clone()
    }
}

fn words(event: &Value) -> &str {
    event["words"].as_str().unwrap()
}

pub(super) fn checked(zip: &[u8], key: Option<PublicKey>) -> Result<Checked, Fault> {
    check(Cursor::new(zip), key)
}

pub(super) fn unpacked(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut files = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.push((file.name().unwrap().to_string(), bytes));
    }
    files
}

/// As an export is.
fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default().large_file(true);
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub(super) fn holds(files: &[(String, Vec<u8>)], text: &str) -> bool {
    let text = text.as_bytes();
    files
        .iter()
        .any(|(_, bytes)| bytes.windows(text.len()).any(|it| it == text))
}

#[actix_web::test]
async fn every_look_is_on_record_before_anything_is_shown() {
    let office = Office::open().await;
    let ada = office.house.subscriber(CANARY).await;
    let grace = office.house.subscriber(GRACE).await;
    office.settle().await;
    let profile = format!("/api/v1/subscribers/{ada}");
    assert_eq!(office.get(&profile).await.1["email"], CANARY);
    let found = TestRequest::post().uri("/api/v1/subscribers/find");
    let found = found.set_json(json!({ "email": CANARY }));
    assert_eq!(office.ask_with(found, None).await.0, 200);
    office.timeline(ada).await;
    assert_eq!(
        office
            .get(&format!("/api/v1/subscribers/{}", Uuid::from_u128(7)))
            .await
            .0,
        404
    );

    let looks = office.looks_at(ada).await;
    let what: Vec<_> = looks
        .iter()
        .map(|look| look["what"].as_str().unwrap())
        .collect();
    assert_eq!(what, ["timeline", "search", "profile"]);
    assert_eq!(looks[2]["reason"], "sie fragt, was wir über sie wissen");
    assert_eq!(
        (&looks[1]["reason"], &looks[1]["actor_name"]),
        (&Value::Null, &json!("ada"))
    );
    assert!(office.looks_at(grace).await.is_empty());
    let by_name = office.get("/api/v1/access?actor=ada&limit=2").await.1;
    assert_eq!(by_name["items"].as_array().unwrap().len(), 2);
    let next = by_name["next"].as_str().unwrap();
    let rest = office
        .get(&format!("/api/v1/access?actor=ada&cursor={next}"))
        .await
        .1;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    let since = office
        .get("/api/v1/access?since=2999-01-01T00:00:00Z")
        .await
        .1;
    assert_eq!(since["items"], json!([]));

    let refuses: RecordLook =
        Arc::new(|_| Box::pin(async { Err(Problem::unavailable("The log is away.", 5, None)) }));
    for path in [profile.clone(), format!("{profile}/timeline")] {
        let request = TestRequest::get().uri(&path);
        let (status, body) = office.ask_with(request, Some(refuses.clone())).await;
        assert_eq!(status, 503, "{path}");
        assert!(!String::from_utf8_lossy(&body).contains("canary"), "{path}");
    }
    let export = TestRequest::post().uri(&format!("{profile}/export"));
    office.settle().await;
    let (status, body) = office.ask_with(export, Some(refuses)).await;
    assert_eq!((status, body.starts_with(b"PK")), (503, false));
    let unsaid = TestRequest::get()
        .uri(&profile)
        .insert_header(("Look-Reason", " "));
    assert_eq!(office.ask_with(unsaid, None).await.0, 400);
    assert_eq!(office.looks_at(ada).await.len(), 3);
}

#[actix_web::test]
async fn looks_at_once_are_all_on_record() {
    let office = Office::open().await;
    let ada = office.house.subscriber(CANARY).await;
    office.settle().await;
    let path = format!("/api/v1/subscribers/{ada}");
    let looks = (0..12).map(|_| office.ask_with(TestRequest::get().uri(&path), None));
    let answers = futures_util::future::join_all(looks).await;
    assert!(answers.iter().all(|(status, _)| *status == 200));
    assert_eq!(office.looks_at(ada).await.len(), 12);
}

#[actix_web::test]
async fn a_reader_is_exported_checked_and_erased_and_their_story_can_still_be_told() {
    let office = Office::open().await;
    let house = &office.house;
    let canary = house.subscriber(CANARY).await;
    let grace = house.subscriber(GRACE).await;
    let channel = house.email_channel().await;
    office.settle().await;
    house.publish("Good news", "Hello\n", &[channel]).await;
    office.settle().await;
    house.unsubscribe(canary).await;
    let zip = office.export(canary).await;
    let key = Some(office.key().await);
    let found = checked(&zip, key).unwrap();
    assert_eq!((found.subscriber_id, found.events), (canary, 6));
    let files = unpacked(&zip);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, FILES);
    assert!(holds(&files, CANARY) && holds(&files, "Good news"));
    assert!(!holds(&files, GRACE) && !holds(&files, &grace.to_string()));
    let of_grace = unpacked(&office.export(grace).await);
    assert!(holds(&of_grace, GRACE) && !holds(&of_grace, "canary"));
    assert!(!holds(&of_grace, &canary.to_string()));
    let exported = office.looks_at(canary).await.remove(0);
    let digest = Hex(digest_of(zip.as_slice()).unwrap()).to_string();
    assert_eq!(
        (&exported["what"], &exported["digest"]),
        (&json!("export"), &json!(digest))
    );
    assert_eq!(exported["events"], 6);

    let told = office.timeline(canary).await;
    let types: Vec<&str> = told.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        [
            "access.Exported",
            "subscriber.Unsubscribed",
            "delivery.Sent",
            "delivery.Attempted",
            "delivery.Planned",
            "address.Claimed",
            "subscriber.SignedUp"
        ]
    );
    assert!(words(&told[6]).contains(CANARY));
    assert!(
        words(&told[2]).starts_with("The message “Good news” by the channel “email” was taken")
    );
    assert_eq!(told[4]["cause"]["type"], "publication.AudienceFrozen");
    let alone = office.get(told[1]["link"].as_str().unwrap()).await.1;
    assert_eq!(alone["items"], json!([told[1]]));
    let first = office
        .get(&format!("/api/v1/subscribers/{canary}/timeline?limit=5"))
        .await
        .1;
    let next = first["next"].as_str().unwrap();
    let path = format!("/api/v1/subscribers/{canary}/timeline?limit=5&cursor={next}");
    let older = office.get(&path).await.1;
    // Two looks came before the newest of them.
    let older = older["items"].as_array().unwrap();
    assert_eq!(older.last(), told.last());
    erased(&office, canary).await;
}

/// What is left of somebody once they are erased: that something happened, and nothing personal.
async fn erased(office: &Office, canary: Uuid) {
    let key = Some(office.key().await);
    office.erase(canary).await;
    let told = office.timeline(canary).await;
    assert_eq!(told[0]["type"], "subscriber.Erased");
    let all = serde_json::to_string(&told).unwrap();
    assert!(
        !all.contains("canary") && all.contains("the address (erased)"),
        "{all}"
    );
    assert!(all.contains("Why: (erased)"));
    let zip = office.export(canary).await;
    checked(&zip, key).unwrap();
    let files = unpacked(&zip);
    assert!(!holds(&files, "canary") && !holds(&files, "she asked for a copy"));
    // Names of the staff are for officers.
    assert_eq!(told[2]["who"], "ada");
    assert!(!holds(&files, "\"who\":\"ada\"") && holds(&files, "one of the staff (user:"));
    let looks = office.looks_at(canary).await;
    assert!(looks.iter().all(|look| look["reason"].is_null()));
    assert!(looks.iter().all(|look| look["reason_erased"] == true));
}

#[actix_web::test]
async fn a_byte_that_is_changed_anywhere_in_an_export_is_found_and_named() {
    let office = Office::open().await;
    let ada = office.house.subscriber(CANARY).await;
    let channel = office.house.email_channel().await;
    office.settle().await;
    office
        .house
        .publish("Good news", "Hello\n", &[channel])
        .await;
    let zip = office.export(ada).await;
    let key = Some(office.key().await);
    let files = unpacked(&zip);
    assert!(checked(&packed(&files), key).is_ok());
    for index in 0..files.len() {
        let (name, length) = (files[index].0.clone(), files[index].1.len());
        for at in (0..length).step_by(1 + length / 40) {
            let mut changed = files.clone();
            changed[index].1[at] ^= 1;
            let fault = checked(&packed(&changed), key).unwrap_err();
            assert_eq!(fault.file, name, "byte {at}: {fault}");
            if name != "manifest.json" {
                let block = at / 4096 * 4096;
                let place = format!("bytes {block} to {}", block + 4095);
                assert!(fault.place.starts_with(&place), "byte {at}: {fault}");
            }
        }
        let mut without = files.clone();
        without.remove(index);
        assert!(checked(&packed(&without), key).is_err(), "without {name}");
    }
    let mut more = files.clone();
    more.push(("more.txt".to_owned(), b"more".to_vec()));
    assert_eq!(checked(&packed(&more), key).unwrap_err().file, "more.txt");
    // In the ZIP itself: found, or of no consequence.
    for at in (0..zip.len()).step_by(1 + zip.len() / 400) {
        let mut changed = zip.clone();
        changed[at] ^= 0x10;
        if checked(&changed, key).is_ok() {
            assert_eq!(unpacked(&changed), files, "byte {at}");
        }
    }
    for end in [0, 10, zip.len() / 2, zip.len() - 1] {
        assert!(checked(&zip[..end], key).is_err(), "cut at {end}");
    }
}

/// What one program shows of a ZIP and another does not: nobody may be shown a forged page by a file that was found genuine.
#[actix_web::test]
async fn an_export_in_which_anything_lies_beside_its_files_is_none() {
    let office = Office::open().await;
    let ada = office.house.subscriber(CANARY).await;
    office.settle().await;
    let (key, files) = (
        Some(office.key().await),
        unpacked(&office.export(ada).await),
    );
    let zip = packed(&files);
    assert!(checked(&zip, key).is_ok());
    let forged = ("README.htmX".to_owned(), b"<h1>Forged</h1>".to_vec());

    let mut twice = packed(&[vec![forged.clone()], files].concat());
    while let Some(at) = place_of(&twice, b"README.htmX") {
        twice[at + 10] = b'l';
    }
    // A directory that lists all but the first.
    let entry = packed(&[forged]);
    let entry = &entry[..place_of(&entry, b"PK\x01\x02").unwrap()];
    let directory = place_of(&zip, b"PK\x01\x02").unwrap();
    let mut hidden = [&zip[..directory], entry, &zip[directory..]].concat();
    let end = hidden.len() - 6;
    let begins = (directory + entry.len()) as u32;
    hidden[end..end + 4].copy_from_slice(&begins.to_le_bytes());

    let mut between = [&zip[..directory], b"remark", &zip[directory..]].concat();
    let end = between.len() - 6;
    between[end..end + 4].copy_from_slice(&(directory as u32 + 6).to_le_bytes());

    let before = [entry, &zip].concat();
    let after = [&zip, entry].concat();
    let mut comment = [&zip[..], b"remark"].concat();
    comment[zip.len() - 2] = 6;
    for (what, zip) in [
        ("a name twice", twice),
        ("a file not listed", hidden),
        ("bytes between", between),
        ("bytes before", before),
        ("bytes after", after),
        ("a comment", comment),
    ] {
        assert!(ZipArchive::new(Cursor::new(&zip)).is_ok(), "{what}");
        let fault = checked(&zip, key).unwrap_err();
        assert_eq!(fault.file, "", "{what}: {fault}");
    }
}

fn place_of(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}
