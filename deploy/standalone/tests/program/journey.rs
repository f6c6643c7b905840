//! The whole way of one reader, over the real program: they sign up and confirm, choose what they get and get that, leave by
//! what their mail program presses, are handed a copy that proves itself with no platform there, and are erased. After each
//! step their timeline says what happened.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_sinks::smtp::{self, Message};
use tidings_tests::program::newsroom::{id, settled};
use tidings_tests::program::{Api, Program};

use super::browser::{is, link, one_click, open, parts, post, values};
use super::{folder, get, said, tidings};

const ADA: &str = "ada@example.org";
const WHY: &str = "--reason=she asked";
/// A mail comes, and is on record as sent, within this.
const WITHIN: Duration = Duration::from_secs(60);

/// Ada, with a mail server of hers.
struct Reader<'a> {
    sink: &'a smtp::Handle,
    id: String,
    /// Events of her timeline that were looked at.
    seen: usize,
    /// Mails she has got.
    got: usize,
}

impl Reader<'_> {
    /// Waits for one more mail, and that it is on record as sent; no other has come.
    async fn gets_a_mail(&mut self, api: &Api) -> Arc<Message> {
        self.got += 1;
        let mails = tokio::time::timeout(WITHIN, self.sink.wait_for(self.got)).await;
        let mails = mails.unwrap_or_else(|_| panic!("mail {} never came", self.got));
        assert_eq!(mails.len(), self.got, "no more than that");
        let mail = mails.last().unwrap();
        assert_eq!(mail.to, [ADA]);
        // Whoever looks at a delivery looks at nobody, so this may be asked often.
        let message_id = mail.header("Message-ID").unwrap();
        let (delivery, _) = message_id[1..].split_once('@').unwrap();
        let path = format!("/api/v1/deliveries/{delivery}");
        let sent = api.until(&path, |it| it["class"] == json!("sent"));
        let sent = tokio::time::timeout(WITHIN, sent).await;
        sent.unwrap_or_else(|_| panic!("mail {} never was on record as sent: {path}", self.got));
        Arc::clone(mail)
    }

    /// What stands in her timeline since the last look, oldest first. Looks are left out.
    async fn timeline(&mut self, api: &Api) -> String {
        let head = api.get("/api/v1/audit").await["position"].clone();
        let path = format!(
            "/api/v1/subscribers/{}/timeline?limit=200&at_least={head}",
            self.id
        );
        let page = api.get(&path).await;
        assert_eq!(page["next"], json!(null), "all of it is on one page");
        let mut told = page["items"].as_array().unwrap().clone();
        told.retain(|it| it["type"] != json!("access.Viewed"));
        told.reverse();
        let sent = |it: &&Value| it["type"] == json!("delivery.Sent");
        assert_eq!(told.iter().filter(sent).count(), self.got);
        let new = told.split_off(self.seen);
        self.seen += new.len();
        lines(&new)
    }
}

/// Publishes to whoever wants one of these topics, to the end; gives how many that were.
async fn publish(api: &Api, title: &str, topics: &[&str], channel: &str) -> i64 {
    let draft = json!({
        "title": title, "markdown": "It *runs*.", "channels": [channel], "topics": topics,
    });
    let draft = id(&api.post("/api/v1/publications", &draft).await);
    let path = format!("/api/v1/publications/{draft}/publish");
    api.post(&path, &json!({})).await;
    settled(api, &draft).await["planned"].as_i64().unwrap()
}

fn lines(events: &[Value]) -> String {
    let line = |it: &Value| {
        let text = |key: &str| it[key].as_str().unwrap().to_owned();
        let words = text("words");
        let words: Vec<&str> = words.split(' ').map(steady).collect();
        format!("{}: {} ({})", text("type"), words.join(" "), text("who"))
    };
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What a mail server answers that has taken a mail.
const TAKEN: &str = "250";

/// A word, unless it may be another in each run: a date, a time, a digest, a number of two digits or more.
fn steady(word: &str) -> &str {
    let of = |set: &str| word.chars().all(|c| set.contains(c));
    let is_time = word.len() >= 8 && of("0123456789-:");
    let is_number = word.len() >= 2 && of("0123456789,") && word != TAKEN;
    let is_digest = word.len() > 64 && of("0123456789abcdef.");
    match is_time || is_number || is_digest {
        true => "…",
        false => word,
    }
}

/// A platform with a channel and two topics.
async fn platform(sink: &smtp::Handle) -> (Program, String) {
    let settings = vec![
        ("TIDINGS_OUTBOUND__ALLOW_LOOPBACK", "true".to_owned()),
        ("TIDINGS_SIGN_UP__CONSENT", "I want the news.".to_owned()),
        ("TIDINGS_NOTICES__ORGANISATION", "The Town Crier".to_owned()),
    ];
    let binary = env!("CARGO_BIN_EXE_tidings").into();
    let mut program = Program::new(binary, Path::new("/tmp"), settings);
    assert!(program.up(None).await, "{}", program.said());
    let api = program.api();
    let channel = json!({
        "kind": "email",
        "name": "News",
        "settings": {
            "host": "127.0.0.1",
            "port": sink.addr().port(),
            "encryption": "none",
            "from": "News <news@example.org>",
        },
    });
    let channel = id(&api.post("/api/v1/channels", &channel).await);
    for (slug, name) in [("ferry", "The ferry"), ("council", "The council")] {
        let topic = json!({ "slug": slug, "name": name, "default": "in" });
        api.post("/api/v1/topics", &topic).await;
    }
    let head = api.get("/api/v1/audit").await["position"].clone();
    api.get(&format!("/api/v1/channels/{channel}?at_least={head}"))
        .await;
    (program, channel)
}

/// Signs up by the form, and confirms by the button.
async fn signs_up<'a>(program: &Program, api: &Api, sink: &'a smtp::Handle) -> Reader<'a> {
    let join = format!("{}/join", program.url());
    let form = open(&join);
    is(&form, 200);
    let [version] = values(&form, "consent")[..] else {
        panic!("{form}")
    };
    let fields = format!("email=ada%40example.org&consent={version}&website=");
    is(&post(&join, &fields), 200);
    sink.wait_for(1).await;
    let found = json!({ "email": ADA });
    let found = api.post("/api/v1/subscribers/find", &found).await;
    let mut reader = Reader {
        sink,
        id: id(&found),
        seen: 0,
        got: 0,
    };
    let asked = reader.gets_a_mail(api).await;
    insta::assert_snapshot!(reader.timeline(api).await, @r#"
    subscriber.SignedUp: They were signed up by the form for sign-ups, with the address “ada@example.org”. Nothing is sent to them before they confirm it. They agreed to: “I want the news.” Evidence of the request: by the program “Browser/7”. (somebody, by the form for sign-ups)
    address.Claimed: The address “ada@example.org” became theirs, and nobody else can have it. (somebody, by the form for sign-ups)
    access.NoticeIssued: A mail is to ask them whether they want to be subscribed. (somebody, by the form for sign-ups)
    delivery.Planned: A message by the channel “News” was planned for them, not to go out before … … UTC. (somebody, by the form for sign-ups)
    delivery.Attempted: A message by the channel “News”: attempt 1 began. (the platform (dispatcher))
    delivery.Sent: A message by the channel “News” was taken by the receiving side, which answered 250 “250 2.0.0 accepted as 1”. (the platform (dispatcher))
    "#);
    let link = link(program, &asked, "/c/");
    // A scanner follows it, and confirms nobody.
    is(&open(&link), 200);
    assert_eq!(reader.timeline(api).await, "");
    is(&post(&link, ""), 200);
    insta::assert_snapshot!(reader.timeline(api).await, @r#"subscriber.Confirmed: They confirmed that they want mail (by the button behind the link of the mail that asked them). Evidence of the request: by the program “Browser/7”. (the subscriber, on the page behind the link)"#);
    reader
}

/// Chooses the ferry and not the council on the page that her mail leads to.
async fn chooses(link: &str, api: &Api, reader: &mut Reader<'_>) {
    let page = open(link);
    is(&page, 200);
    let topics = values(&page, "offered_topic");
    // Its input stands first in its label.
    let mut labels = page.split("<label>");
    let council = labels.find(|it| it.contains("The council")).unwrap();
    let council = values(council, "topic")[0];
    assert_eq!(topics.len(), 2);
    let mut form = "do=save&frequency=at_once".to_owned();
    for topic in topics {
        form += &format!("&offered_topic={topic}");
        if topic != council {
            form += &format!("&topic={topic}");
        }
    }
    for channel in values(&page, "offered_channel") {
        form += &format!("&offered_channel={channel}&channel={channel}");
    }
    let saved = post(link, &form);
    is(&saved, 200);
    assert!(saved.contains("Saved"), "{saved}");
    let told = reader.gets_a_mail(api).await;
    assert!(!told.text().contains("The council"), "not what she chose");
    insta::assert_snapshot!(reader.timeline(api).await, @r#"
    subscriber.Unsubscribed: They left the topic “The council” (on the page behind the link). Evidence of the request: by the program “Browser/7”. (the subscriber, on the page behind the link)
    access.NoticeIssued: A mail is to tell them that what they get was changed. (the subscriber, on the page behind the link)
    delivery.Planned: A message by the channel “News” was planned for them, not to go out before … … UTC. (the subscriber, on the page behind the link)
    delivery.Attempted: A message by the channel “News”: attempt 1 began. (the platform (dispatcher))
    delivery.Sent: A message by the channel “News” was taken by the receiving side, which answered 250 “250 2.0.0 accepted as 3”. (the platform (dispatcher))
    "#);
}

/// Whether `tidings audit check` believes a file of a platform with this key, where no platform is; gives what it says of it.
fn check(elsewhere: &Path, file: &Path, key: &str) -> Option<Value> {
    let mut command = tidings(elsewhere);
    let file = file.to_str().unwrap();
    command.args(["audit", "check", file, "--public-key", key, "--json"]);
    let checked = command.output().unwrap();
    if said(&checked).0 == Some(1) {
        return None;
    }
    assert_eq!(said(&checked), (Some(0), String::new()));
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked["proven"], json!(true), "{checked}");
    Some(checked)
}

/// Is handed a copy, which proves itself while nothing runs.
async fn takes_a_copy(program: &mut Program, elsewhere: &Path, key: &str, who: &str) {
    let copy = elsewhere.join("ada.zip");
    program.verify_whole_log().await;
    let copy_text = copy.to_str().unwrap();
    let exported = program.says(&[
        "export",
        "subscriber",
        ADA,
        WHY,
        "--out",
        copy_text,
        "--json",
    ]);
    program.end().await;
    let checked = check(elsewhere, &copy, key).expect("it holds");
    assert_eq!(checked["sha256"], exported["sha256"]);
    assert_eq!(checked["export"]["subscriber_id"], json!(who));
    let anothers = "0".repeat(64);
    assert_eq!(check(elsewhere, &copy, &anothers), None, "another's key");
    let mut changed = std::fs::read(&copy).unwrap();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let forged = elsewhere.join("forged.zip");
    std::fs::write(&forged, changed).unwrap();
    assert_eq!(check(elsewhere, &forged, key), None, "it was changed");
    assert!(program.up(None).await, "{}", program.said());
}

/// Is erased, and there is a receipt.
fn is_erased(program: &Program, elsewhere: &Path, key: &str, who: &str) {
    let receipt = elsewhere.join("receipt.json");
    let receipt_text = receipt.to_str().unwrap();
    let erase = [
        "erase",
        "subscriber",
        ADA,
        WHY,
        "--out",
        receipt_text,
        "--json",
    ];
    let erased = program.says(&erase);
    assert_eq!(erased["subscriber_id"], json!(who), "{erased}");
    let checked = check(elsewhere, &receipt, key).expect("it is signed");
    assert_eq!(checked["receipt"]["subscriber_id"], json!(who), "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_signs_up_chooses_leaves_takes_a_copy_and_is_erased_and_each_step_is_told() {
    let sink = smtp::start(smtp::Options::default()).await.unwrap();
    let (mut program, channel) = platform(&sink).await;
    let api = program.api();
    let mut reader = signs_up(&program, &api, &sink).await;

    assert_eq!(publish(&api, "Hello", &[], &channel).await, 1);
    let hello = reader.gets_a_mail(&api).await;
    insta::assert_snapshot!(reader.timeline(&api).await, @r#"
    delivery.Planned: The message “Hello” by the channel “News” was planned for them, not to go out before … … UTC. (the platform (dispatcher))
    delivery.Attempted: The message “Hello” by the channel “News”: attempt 1 began. (the platform (dispatcher))
    delivery.Sent: The message “Hello” by the channel “News” was taken by the receiving side, which answered 250 “250 2.0.0 accepted as 2”. (the platform (dispatcher))
    "#);
    let page = link(&program, &hello, "/p/");
    chooses(&page, &api, &mut reader).await;

    let council = publish(&api, "A new mayor", &["council"], &channel).await;
    assert_eq!(council, 0, "she does not want it");
    assert_eq!(publish(&api, "It sails", &["ferry"], &channel).await, 1);
    let ferry = reader.gets_a_mail(&api).await;
    assert_eq!(ferry.header("Subject").as_deref(), Some("It sails"));
    insta::assert_snapshot!(reader.timeline(&api).await, @r#"
    delivery.Planned: The message “It sails” by the channel “News” was planned for them, not to go out before … … UTC. (the platform (dispatcher))
    delivery.Attempted: The message “It sails” by the channel “News”: attempt 1 began. (the platform (dispatcher))
    delivery.Sent: The message “It sails” by the channel “News” was taken by the receiving side, which answered 250 “250 2.0.0 accepted as 4”. (the platform (dispatcher))
    "#);

    // What came about one topic leaves that one; what came to all leaves everything.
    is(&post(&one_click(&ferry), "List-Unsubscribe=One-Click"), 200);
    assert_eq!(publish(&api, "It lies", &["ferry"], &channel).await, 0);
    assert_eq!(publish(&api, "Hello again", &[], &channel).await, 1);
    let again = reader.gets_a_mail(&api).await;
    insta::assert_snapshot!(reader.timeline(&api).await, @r#"
    subscriber.Unsubscribed: They left the topic “The ferry” (by the button of their mail program). Evidence of the request: by the program “Browser/7”. (the subscriber, by the link of a mail)
    delivery.Planned: The message “Hello again” by the channel “News” was planned for them, not to go out before … … UTC. (the platform (dispatcher))
    delivery.Attempted: The message “Hello again” by the channel “News”: attempt 1 began. (the platform (dispatcher))
    delivery.Sent: The message “Hello again” by the channel “News” was taken by the receiving side, which answered 250 “250 2.0.0 accepted as 5”. (the platform (dispatcher))
    "#);
    is(&post(&one_click(&again), "List-Unsubscribe=One-Click"), 200);
    assert_eq!(publish(&api, "Hello once more", &[], &channel).await, 0);
    insta::assert_snapshot!(reader.timeline(&api).await, @r#"subscriber.Unsubscribed: They left: they want nothing any more (by the button of their mail program). Evidence of the request: by the program “Browser/7”. (the subscriber, by the link of a mail)"#);

    let (folder, who) = (folder(), reader.id.clone());
    let key = std::fs::read_to_string(program.data().join("witness.pub")).unwrap();
    let (elsewhere, key) = (folder.path(), key.trim());
    takes_a_copy(&mut program, elsewhere, key, &who).await;
    let api = program.api();
    insta::assert_snapshot!(reader.timeline(&api).await, @"access.Exported: All that is on record of them was handed out in a file: … events up to position … SHA-256 … Why: “she asked” (cli)");
    is_erased(&program, elsewhere, key, &who);
    // Which address was theirs nobody can tell any more.
    reader.seen -= 1;
    insta::assert_snapshot!(reader.timeline(&api).await, @r#"
    subscriber.ErasureRequested: The erasure of their data was asked for (they asked for it). Nothing is sent to them any more. (cli)
    subscriber.Erased: Their data were destroyed: 1 key was destroyed, and what they opened cannot be read any more, in any copy of the log. (the platform (dispatcher))
    "#);
    is(&get(program.url(), parts(&page).1), 404);
    assert_eq!(sink.count(), reader.got, "nothing more than that");

    // As whoever answers for it reads it, with all looks.
    let arguments = ["timeline", "subscriber", &who, WHY];
    let told = program.run(&arguments, None).stdout;
    let told = String::from_utf8(told).unwrap();
    let newest = told.lines().next().unwrap();
    assert!(newest.contains("Somebody looked"), "{told}");
    for of_type in ["SignedUp", "Confirmed", "Unsubscribed", "Erased"] {
        assert!(told.contains(&format!("subscriber.{of_type}")), "{told}");
    }
    program.stop().await;
}
