//! Why somebody gets nothing stands in their story too, although the streams of addresses name nobody: what was said of an
//! address is told to whoever held it then, and of nobody else's time.

use tidings_domain::stream_id;
use tidings_domain::value::EmailAddress;
use tidings_event_store::export::{Digests, Manifest};
use tidings_event_store::witness::SigningKey;

use super::super::bounced::{POSTFIX, channel, delivery, mail_to, report};
use super::*;

const OLD: &str = "ada@example.org";
const NEW: &str = "ada@example.net";

impl Office {
    /// Asks, and waits until everybody has heard of it.
    async fn say(&self, request: TestRequest) -> (u16, Value) {
        let (status, body) = self.ask_with(request, None).await;
        self.settle().await;
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn done(&self, request: TestRequest) -> Value {
        let (status, answer) = self.say(request).await;
        assert!((200..300).contains(&status), "{answer}");
        answer
    }

    async fn suppress(&self, whom: Value) {
        let request = TestRequest::post().uri("/api/v1/suppressions");
        self.done(request.set_json(whom)).await;
    }

    async fn lift(&self, email: &str, reason: &str) {
        let email = EmailAddress::parse(email).unwrap();
        let id = stream_id::address_suppression(&self.house.id_key, &email);
        let request = TestRequest::post().uri(&format!("/api/v1/suppressions/{id}/lift"));
        let request = request.set_json(json!({ "reasons": [reason] }));
        self.done(request).await;
    }

    async fn move_to(&self, id: Uuid, email: &str) {
        let request = TestRequest::patch().uri(&format!("/api/v1/subscribers/{id}"));
        self.done(request.set_json(json!({ "email": email }))).await;
    }

    async fn sign_up(&self, email: &str) -> Uuid {
        let request = TestRequest::post().uri("/api/v1/subscribers");
        let answer = self.done(request.set_json(json!({ "email": email }))).await;
        answer["id"].as_str().unwrap().parse().unwrap()
    }

    /// Publishes something, which is mailed to everybody; gives its id.
    async fn mails(&self) -> Uuid {
        let channels = [channel(&self.house).await];
        let published = self.house.publish("The ferry", "It runs.", &channels);
        let id = published.await;
        self.settle().await;
        id
    }

    /// What came back of a mail.
    async fn returned(&self, path: &str, reader: &str, mail: &str) {
        let request = TestRequest::post().uri("/hooks/mail");
        let request = request.insert_header(("content-type", "message/rfc822"));
        let request = request.set_payload(report(POSTFIX, path, reader, mail));
        assert_eq!(self.say(request).await.0, 204);
    }

    /// Type and words of what happened to somebody and their addresses, oldest first; without looks and messages.
    async fn told(&self, id: Uuid) -> Vec<(String, String)> {
        let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        let all = self.timeline(id).await;
        let all = all.iter().rev();
        all.map(|it| (text(it, "type"), text(it, "words")))
            .filter(|(it, _)| !it.starts_with("access.") && !it.starts_with("delivery."))
            .collect()
    }
}

fn types(told: &[(String, String)]) -> Vec<&str> {
    told.iter().map(|(it, _)| it.as_str()).collect()
}

#[actix_web::test]
async fn what_the_suppression_list_says_of_their_address_is_told_until_they_are_erased() {
    let office = Office::open().await;
    let ada = office.house.subscriber(CANARY).await;
    let grace = office.house.subscriber(GRACE).await;
    let elsewhere = office.house.subscriber("grace@example.net").await;
    office.suppress(json!({ "address": CANARY })).await;
    office.suppress(json!({ "domain": "example.org" })).await;
    office.lift(CANARY, "manual").await;
    let told = office.told(ada).await;
    let expected = [
        "subscriber.SignedUp",
        "address.Claimed",
        "suppression.Added",
        "suppression.Added",
        "suppression.Lifted",
    ];
    assert_eq!(types(&told), expected);
    let address = format!("The address “{CANARY}”");
    let by_hand = "was put on the suppression list: by hand. Nothing is sent to";
    assert_eq!(
        told[2].1,
        format!("{address} {by_hand} it while that stands.")
    );
    let of_domain =
        format!("The domain “example.org” {by_hand} any address of it while that stands.");
    assert_eq!(told[3].1, of_domain);
    let lifted = "was taken off the suppression list. It had stood there: by hand.";
    assert_eq!(told[4].1, format!("{address} {lifted}"));
    // Who has another address of the domain is told of that alone, and who has none of it of nothing.
    let of_grace = office.told(grace).await;
    assert_eq!(types(&of_grace), expected[..3]);
    assert_eq!(of_grace[2].1, of_domain);
    assert_eq!(types(&office.told(elsewhere).await), expected[..2]);

    office.erase(ada).await;
    let told = office.told(ada).await;
    let left = [
        "subscriber.SignedUp",
        "subscriber.ErasureRequested",
        "subscriber.Erased",
    ];
    assert_eq!(types(&told), left);
    let zip = office.export(ada).await;
    checked(&zip, Some(office.key().await)).unwrap();
    let files = unpacked(&zip);
    assert!(!holds(&files, "suppression.") && !holds(&files, "address.Claimed"));
}

#[actix_web::test]
async fn a_timeline_that_is_put_together_has_pages_like_any_other() {
    let office = Office::open().await;
    let ada = office.house.subscriber(OLD).await;
    for n in 0..3 {
        office.suppress(json!({ "address": OLD })).await;
        let name = json!({ "name": format!("Ada {n}") });
        let request = TestRequest::patch().uri(&format!("/api/v1/subscribers/{ada}"));
        office.done(request.set_json(name)).await;
        office.lift(OLD, "manual").await;
    }
    let all = office.timeline(ada).await;
    assert_eq!(all.len(), 11, "{all:?}");
    assert_eq!(all.iter().filter(|it| it["who"] == "ada").count(), 9);
    let alone = office.get(all[1]["link"].as_str().unwrap()).await.1;
    assert_eq!(alone["items"], json!([all[1]]));
    for limit in [1, 2, 5] {
        // Each page ends where the next one begins; looks come on top meanwhile.
        let mut cursor = String::new();
        let mut pages = Vec::new();
        loop {
            let path = format!("/api/v1/subscribers/{ada}/timeline?limit={limit}{cursor}");
            let page = office.get(&path).await.1;
            pages.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        pages.retain(|it| it["type"] != "access.Viewed");
        assert_eq!(pages, all);
    }
}

#[actix_web::test]
async fn a_message_that_came_back_is_named_as_the_one_that_took_their_address_off() {
    let office = Office::open().await;
    let ada = office.house.subscriber(OLD).await;
    let id = office.mails().await;
    let (path, mail) = mail_to(&office.house, OLD);
    office.returned(&path, OLD, &mail).await;
    let all = office.timeline(ada).await;
    let mut added = all.iter().filter(|it| it["type"] == "suppression.Added");
    let added = added.next().unwrap();
    assert_eq!(
        words(added),
        format!(
            "The address “{OLD}” was put on the suppression list: a message came back, for nobody has that address. The message \
             “The ferry” by the channel “email” showed it. Nothing is sent to it while that stands."
        )
    );
    assert_eq!(added["cause"]["type"], "delivery.Sent");
    assert_eq!(added["who"], "the platform (feedback)");
    let files = unpacked(&office.export(ada).await);
    assert!(holds(
        &files,
        "“The ferry” by the channel “email” showed it."
    ));
    let delivery = delivery(&office.house, id, ada).await;
    assert!(holds(&files, "\"reason\":\"hard_bounce\""));
    assert!(holds(&files, delivery["id"].as_str().unwrap()));
}

/// A late bounce of what went to whoever had the address before takes it off the one who has it now, and tells nothing else.
#[actix_web::test]
async fn nobody_is_told_what_happened_to_an_address_while_somebody_else_held_it() {
    let office = Office::open().await;
    let ada = office.house.subscriber(OLD).await;
    let id = office.mails().await;
    let (path, mail) = mail_to(&office.house, OLD);
    office.suppress(json!({ "address": OLD })).await;
    office.lift(OLD, "manual").await;
    office.move_to(ada, NEW).await;
    let bob = office.sign_up(OLD).await;
    office.returned(&path, OLD, &mail).await;
    office.suppress(json!({ "address": NEW })).await;

    let of_ada = office.told(ada).await;
    let expected = [
        "subscriber.SignedUp",
        "address.Claimed",
        "suppression.Added",
        "suppression.Lifted",
        "subscriber.ContactChanged",
        "address.Released",
        "address.Claimed",
        "suppression.Added",
    ];
    assert_eq!(types(&of_ada), expected);
    assert!(of_ada[2].1.contains(OLD) && of_ada[7].1.contains(NEW));
    let of_bob = office.told(bob).await;
    let expected = [
        "subscriber.SignedUp",
        "address.Claimed",
        "suppression.Lifted",
        "suppression.Added",
    ];
    assert_eq!(types(&of_bob), expected);
    let already = "It was on the suppression list already: nobody had it any more.";
    assert!(of_bob[1].1.ends_with(already), "{}", of_bob[1].1);
    assert!(!of_bob[3].1.contains("showed it"), "{}", of_bob[3].1);
    let all = office.timeline(bob).await;
    let mut added = all.iter().filter(|it| it["type"] == "suppression.Added");
    assert_eq!(added.next().unwrap()["cause"], Value::Null);

    let key = Some(office.key().await);
    let (zip_of_ada, zip_of_bob) = (office.export(ada).await, office.export(bob).await);
    assert_eq!(checked(&zip_of_ada, key).unwrap().subscriber_id, ada);
    assert_eq!(checked(&zip_of_bob, key).unwrap().subscriber_id, bob);
    let (of_ada, of_bob) = (unpacked(&zip_of_ada), unpacked(&zip_of_bob));
    assert!(!holds(&of_ada, &bob.to_string()) && !holds(&of_bob, &ada.to_string()));
    assert!(!holds(&of_bob, NEW) && !holds(&of_bob, "The ferry"));
    let delivery = delivery(&office.house, id, ada).await;
    assert!(!holds(&of_bob, delivery["id"].as_str().unwrap()));
    let lines = std::str::from_utf8(&of_bob[2].1).unwrap().lines();
    let lines = lines.map(|it| serde_json::from_str::<Value>(it).unwrap());
    let added: Vec<Value> = lines
        .filter(|it| it["event"]["type"] == "suppression.Added")
        .collect();
    assert_eq!(added.len(), 1);
    assert_eq!(
        (&added[0]["fields"]["delivery_id"], &added[0]["cause"]),
        (&Value::Null, &Value::Null)
    );
}

/// What whoever holds the key of the witness would make of an export, without one of its events.
fn without(files: &[(String, Vec<u8>)], line: usize, key: &SigningKey) -> Vec<u8> {
    let mut files = files.to_vec();
    let lines = std::str::from_utf8(&files[2].1).unwrap();
    let mut lines: Vec<&str> = lines.split_inclusive('\n').collect();
    lines.remove(line);
    let events = lines.concat().into_bytes();
    let mut manifest = Manifest::read(std::str::from_utf8(&files[7].1).unwrap()).unwrap();
    let mut digests = Digests::default();
    digests.update(&events);
    manifest.files[2] = digests.finish("events.jsonl");
    manifest.events -= 1;
    files[2].1 = events;
    files[7].1 = manifest.sign(key).into_bytes();
    packed(&files)
}

#[actix_web::test]
async fn who_changes_or_leaves_out_what_was_said_of_an_address_is_found_out() {
    let office = Office::open().await;
    let ada = office.house.subscriber(OLD).await;
    office.suppress(json!({ "address": OLD })).await;
    office.lift(OLD, "manual").await;
    office.suppress(json!({ "address": OLD })).await;
    let zip = office.export(ada).await;
    let public_key = Some(office.key().await);
    assert_eq!(checked(&zip, public_key).unwrap().events, 5);
    let files = unpacked(&zip);
    // A byte of it.
    let text = std::str::from_utf8(&files[2].1).unwrap();
    let at = text.find("suppression.Lifted").unwrap();
    let mut changed = files.clone();
    changed[2].1[at] = b'S';
    let fault = checked(&packed(&changed), public_key).unwrap_err();
    assert_eq!(fault.file, "events.jsonl");
    assert_eq!(fault.what, "it is not what the manifest says");
    // All of it, by whoever can sign.
    let platform = &office.house.platform;
    let now = platform.clock.clock().now();
    let key = platform.store.vault().witness_key(now).await.unwrap();
    let fault = checked(&without(&files, 3, &key), public_key).unwrap_err();
    assert_eq!(fault.place, "line 4", "{fault}");
    let missing = "an event before it is missing, or not in its place";
    assert!(fault.what.ends_with(missing), "{fault}");
    let fault = checked(&without(&files, 1, &key), public_key).unwrap_err();
    let not_then = "it is about an address that was not theirs then";
    assert!(fault.what.ends_with(not_then), "{fault}");
}
