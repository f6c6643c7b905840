//! The life of somebody before they are erased: every way there is for something of theirs to come into the product.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_sinks::smtp::{self, Action, Message, Phase, Rule};
use tidings_tests::program::newsroom::{id, settled};
use tidings_tests::program::{Api, Program};

use super::{AGENT, CURRENT, FORMER, MAIL, NAME, TAG, TOWN, WHY, unzipped, wrong};
use crate::browser::{FORM, fetch, is, link, links, open, parts, send, values};
use crate::get_with;

/// Reports as mail servers and providers write them; {READER}, {MAIL} and the like stand for what differs.
pub(super) const BOUNCE: &str =
    include_str!("../../../../../command-api/src/feedback/dsn/samples/postfix.eml");
const COMPLAINT: &str =
    include_str!("../../../../../command-api/src/feedback/dsn/samples/complaint.eml");
/// Who reads the same, and stays.
const GRACE: &str = "grace@example.com";
/// A mail comes within this.
const WITHIN: Duration = Duration::from_secs(60);
/// What is on record of them in the end.
const RECORDED: [&str; 17] = [
    "subscriber.SignedUp",
    "subscriber.Confirmed",
    "subscriber.ContactChanged",
    "subscriber.PreferencesChanged",
    "subscriber.Unsubscribed",
    "record.Changed",
    "access.Viewed",
    "access.Exported",
    "access.NoticeIssued",
    "delivery.Planned",
    "delivery.Attempted",
    "delivery.Sent",
    "delivery.Deferred",
    "delivery.Bounced",
    "delivery.Complained",
    "engagement.Opened",
    "engagement.Clicked",
];
/// Amazon SES is believed by this.
pub(super) const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:mail-events";

/// A platform, a mail server, and who it writes to.
pub(super) struct Life {
    pub(super) program: Program,
    pub(super) api: Api,
    pub(super) sink: smtp::Handle,
    /// The channel by which all mails go.
    pub(super) channel: String,
    /// Who they are.
    pub(super) who: String,
    /// The file that quotes them before they are there, and one that does so later.
    pub(super) quoting: String,
    pub(super) import: String,
    /// A publication they opened, and one that came back.
    pub(super) hello: String,
    pub(super) ferry: String,
}

/// An old file that names them by both of their addresses, in lines that can be taken and in some that cannot.
pub(super) fn file() -> String {
    format!(
        "email,name,town\n{FORMER},{NAME},{TOWN}\n{CURRENT},{NAME},{TOWN}\n\
         {CURRENT},{NAME},{TOWN},one too many\n\"{NAME} <{FORMER}>\",,\n"
    )
}

/// What a mail server, or a provider, tells of a mail; the text quotes who it was for.
pub(super) fn report(sample: &str, mail: &Message, reader: &str) -> String {
    let text = mail.text();
    let id = mail.header("Message-ID").unwrap();
    let sample = sample.replace("User unknown", &format!("{NAME} is unknown"));
    let filled = sample.replace('\n', "\r\n").replace("{TO}", &mail.from);
    filled
        .replace("{READER}", reader)
        .replace("{MESSAGE_ID}", id.trim_matches(['<', '>']))
        .replace("{MAIL}", &text)
}

/// The profile in an export tells this.
fn holds(export: &Path, text: &str) {
    let mut files = unzipped(export).into_iter();
    let (_, profile) = files.find(|(name, _)| name == "profile.json").unwrap();
    let profile = String::from_utf8(profile).unwrap();
    assert!(profile.contains(text), "{profile}");
}

/// Publishes to everybody; gives the publication.
pub(super) async fn article(api: &Api, channel: &str, title: &str) -> String {
    let text = "It *runs*: [the times](https://example.org/timetable?day=7).";
    let draft = json!({ "title": title, "markdown": text, "channels": [channel] });
    let draft = id(&api.post("/api/v1/publications", &draft).await);
    let path = format!("/api/v1/publications/{draft}/publish");
    api.post(&path, &json!({})).await;
    draft
}

impl Life {
    /// A platform that tells all it can into its log, with all that readers may use.
    pub(super) async fn begin() -> Self {
        let sink = smtp::start(smtp::Options::default()).await.unwrap();
        let settings = vec![
            ("TIDINGS_TELEMETRY__LOG_FILTER", "trace".to_owned()),
            ("TIDINGS_OUTBOUND__ALLOW_LOOPBACK", "true".to_owned()),
            ("TIDINGS_SIGN_UP__CONSENT", "I want the news.".to_owned()),
            ("TIDINGS_NOTICES__ORGANISATION", "The Town Crier".to_owned()),
            (
                "TIDINGS_OWN_DATA__CONTACT",
                "privacy@example.com".to_owned(),
            ),
            ("TIDINGS_SES__TOPICS", TOPIC.to_owned()),
        ];
        let binary = env!("CARGO_BIN_EXE_tidings").into();
        let mut program = Program::new(binary, Path::new("/tmp"), settings);
        let tmp = program.dir().join("tmp");
        fs::create_dir(&tmp).unwrap();
        fs::set_permissions(&tmp, PermissionsExt::from_mode(0o777)).unwrap();
        let maildir = program.dir().join("maildir");
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(maildir.join(part)).unwrap();
        }
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        program.set(vec![
            ("TMPDIR", text(&tmp)),
            ("TIDINGS_MAIL__INBOUND_MAILDIR", text(&maildir)),
        ]);
        assert!(program.up(None).await, "{}", program.said());
        let api = program.api();
        let settings = json!({
            "host": "127.0.0.1", "port": sink.addr().port(), "encryption": "none",
            "from": "News <news@example.com>", "return_path_domain": "bounces.example.com",
            "tracking": "opens_and_clicks",
        });
        let channel = json!({ "kind": "email", "name": "News", "settings": settings });
        let channel = id(&api.post("/api/v1/channels", &channel).await);
        let topic = json!({ "slug": "ferry", "name": "The ferry", "default": "in" });
        api.post("/api/v1/topics", &topic).await;
        // Notices go by a channel that is known.
        let head = api.get("/api/v1/audit").await["position"].clone();
        api.get(&format!("/api/v1/channels/{channel}?at_least={head}"))
            .await;
        Self {
            program,
            api,
            sink,
            channel,
            who: String::new(),
            quoting: String::new(),
            import: String::new(),
            hello: String::new(),
            ferry: String::new(),
        }
    }

    /// All of it, until just before they are erased; what is handed out goes into a folder.
    pub(super) async fn is_lived(&mut self, handed: &Path) {
        fs::create_dir(handed).unwrap();
        // Of two, a database keeps samples of what is in a column.
        let grace = json!({ "email": GRACE, "name": "Grace", "attributes": { "town": "Vienna" } });
        self.api.post("/api/v1/subscribers", &grace).await;
        self.is_quoted().await;
        is(&self.joins(FORMER, 0).await, 200);
        let found = json!({ "email": FORMER });
        self.who = id(&self.api.post("/api/v1/subscribers/find", &found).await);
        self.reads_and_chooses().await;
        self.moves_and_is_looked_at(handed).await;
        self.takes_a_copy(handed).await;
        wrong::calls_are_made(&self.program, &self.path(""));
        self.mail_comes_back().await;
        self.all_of_it_is_on_record().await;
        let log = fs::read_to_string(self.program.dir().join("log")).unwrap();
        assert!(log.contains("TRACE"), "it says all it can");
    }

    /// Nothing of it was in vain.
    async fn all_of_it_is_on_record(&self) {
        let told = self.api.get(&self.path("/timeline?limit=200")).await;
        let told: BTreeSet<&str> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["type"].as_str().unwrap())
            .collect();
        let missing: Vec<_> = RECORDED.iter().filter(|it| !told.contains(*it)).collect();
        assert!(missing.is_empty(), "{missing:?} of {told:?}");
    }

    /// A file that quotes them before anybody knows them: its line is kept for whoever mends it.
    async fn is_quoted(&mut self) {
        let csv = format!("email,name\n{FORMER},{NAME},{TOWN}\n");
        let import = id(&self.api.post_csv("/api/v1/imports", csv).await);
        self.quoting = import;
        let path = format!("/api/v1/imports/{}", self.quoting);
        let kept = |it: &Value| it["rejections"]["items"][0]["record"].is_string();
        self.api.until(&path, kept).await;
    }

    /// The mails to an address once there are so many.
    async fn mails(&self, address: &str, count: usize) -> Vec<Arc<Message>> {
        let come = async {
            loop {
                let seen = self.sink.count();
                let mails = self.sink.by_recipient(address);
                if mails.len() >= count {
                    return mails;
                }
                self.sink.wait_for(seen + 1).await;
            }
        };
        let mails = tokio::time::timeout(WITHIN, come).await;
        mails.unwrap_or_else(|_| panic!("mail {count} never came:\n{}", self.program.said()))
    }

    /// The mail to an address with this subject.
    pub(super) async fn mail(&self, address: &str, subject: &str) -> Arc<Message> {
        let is = |mail: &Arc<Message>| mail.header("Subject").as_deref() == Some(subject);
        let mut count = 1;
        loop {
            let mails = self.mails(address, count).await;
            if let Some(mail) = mails.iter().find(|mail| is(mail)) {
                return Arc::clone(mail);
            }
            count = mails.len() + 1;
        }
    }

    /// Signs up by the form and confirms by the button in the mail, which comes after so many; gives what that answers.
    pub(super) async fn joins(&self, address: &str, before: usize) -> String {
        let join = format!("{}/join", self.program.url());
        let form = open(&join);
        let [version] = values(&form, "consent")[..] else {
            panic!("{form}")
        };
        let address_typed = address.replace('@', "%40");
        let fields = format!("email={address_typed}&consent={version}&website=");
        is(&send(&join, AGENT, FORM, &fields), 200);
        let asked = self.mails(address, before + 1).await;
        let link = link(&self.program, asked.last().unwrap(), "/c/");
        send(&link, AGENT, FORM, "")
    }

    fn path(&self, below: &str) -> String {
        format!("/api/v1/subscribers/{}{below}", self.who)
    }

    /// Is called by their name, gets a mail, opens it, follows its link, and chooses on the page behind it.
    async fn reads_and_chooses(&mut self) {
        let known = json!({
            "name": NAME, "attributes": { "town": TOWN }, "tags": { "add": [TAG] },
        });
        self.api.patch(&self.path(""), &known).await;
        self.hello = article(&self.api, &self.channel, "Hello").await;
        settled(&self.api, &self.hello).await;
        let hello = self.mail(FORMER, "Hello").await;
        for followed in links(&self.program, &hello, "/t/") {
            let (address, path) = parts(&followed);
            let agent = format!("User-Agent: {AGENT}\r\n");
            get_with(&format!("http://{address}"), path, &agent);
        }
        let page = link(&self.program, &hello, "/p/");
        let shown = open(&page);
        let mut form = "do=save&frequency=at_once&zone=Europe%2FVienna".to_owned();
        for topic in values(&shown, "offered_topic") {
            form += &format!("&offered_topic={topic}");
        }
        for channel in values(&shown, "offered_channel") {
            form += &format!("&offered_channel={channel}&channel={channel}");
        }
        is(&send(&page, AGENT, FORM, &form), 200);
        // That they were told of it.
        self.mails(FORMER, 3).await;
    }

    /// Gets another address, stands in a file, and is looked at over the API and on the command line.
    async fn moves_and_is_looked_at(&mut self, handed: &Path) {
        self.api
            .patch(&self.path(""), &json!({ "email": CURRENT }))
            .await;
        let topic = json!({ "slug": "council", "name": "The council", "default": "in" });
        let once = self.api.command_once(CURRENT, "/api/v1/topics", &topic);
        assert!(once.await.unwrap().is_some());
        let csv = handed.join("old.csv");
        fs::write(&csv, file()).unwrap();
        let csv = csv.to_str().unwrap();
        let arguments = ["import", "subscribers", csv, "--json"];
        let imported = self.program.says(&arguments);
        self.import = id(&imported);
        let why = format!("--reason={WHY}");
        let copy = handed.join("officer.zip");
        let copy_text = copy.to_str().unwrap();
        for verb in [
            &["timeline", "subscriber", CURRENT, &why][..],
            &["subscribers", "show", CURRENT, &why],
            &[
                "subscribers",
                "set",
                CURRENT,
                &why,
                "--attribute",
                "street=Nuthatch6e5f",
            ],
            &["suppressions", "find", CURRENT, &why],
            &["export", "subscriber", CURRENT, &why, "--out", copy_text],
        ] {
            let said = self.program.run(verb, None);
            assert!(said.status.success(), "{verb:?}: {}", self.program.said());
        }
        let all = self.program.run(&["subscribers", "export", &why], None);
        let all = String::from_utf8(all.stdout).unwrap();
        assert!(all.contains(CURRENT) && all.contains(TOWN), "{all}");
        holds(&copy, CURRENT);
        self.api
            .get("/api/v1/subscribers?attribute=town:Nuthatch6e5f")
            .await;
    }

    /// Asks for their data on the page behind a mail, and takes them.
    async fn takes_a_copy(&mut self, handed: &Path) {
        self.ferry = article(&self.api, &self.channel, "The ferry").await;
        settled(&self.api, &self.ferry).await;
        let ferry = self.mail(CURRENT, "The ferry").await;
        let page = link(&self.program, &ferry, "/p/");
        is(&send(&format!("{page}/own-data"), AGENT, FORM, ""), 200);
        let mails = self.mails(CURRENT, 2).await;
        let link = link(&self.program, mails.last().unwrap(), "/x/");
        let answer = fetch(&link, AGENT, FORM, "do=download");
        let zip = answer
            .windows(4)
            .position(|it| it == b"PK\x03\x04")
            .unwrap();
        let copy = handed.join("own.zip");
        fs::write(&copy, &answer[zip..]).unwrap();
        holds(&copy, CURRENT);
    }

    /// One mail is deferred, one stays on its way; others come back and are complained about, to a hook and to a mailbox;
    /// they ask by mail to leave, and an operator keeps everything from them.
    async fn mail_comes_back(&self) {
        let over = format!("4.2.2 {NAME} <{CURRENT}> is over quota");
        let over = Rule::reply(Phase::RcptTo, 452, over.replace('ö', "o"));
        self.sink.add_rule(over.to(CURRENT).times(1));
        let later = article(&self.api, &self.channel, "Later").await;
        let deliveries = format!("/api/v1/publications/{later}/deliveries?limit=10");
        let deferred = |it: &Value| {
            let mut all = it["items"].as_array().unwrap().iter();
            all.any(|it| it["status"] == json!("deferred"))
        };
        self.api.until(&deliveries, deferred).await;
        let stall = Rule::new(Phase::FinalDot, Action::Stall).to(CURRENT);
        let stalled = self.sink.add_rule(stall.times(1));
        article(&self.api, &self.channel, "The strike").await;
        let on_its_way = self.sink.wait_for_hits(stalled, 1);
        tokio::time::timeout(WITHIN, on_its_way).await.unwrap();

        let hook = format!("{}/hooks/mail", self.program.url());
        let ferry = self.mail(CURRENT, "The ferry").await;
        let new = self.program.dir().join("maildir/new");
        let bounce = report(BOUNCE, &ferry, CURRENT);
        fs::write(new.join("1.bounce"), bounce).unwrap();
        let counted = |name: &'static str| move |it: &Value| it["feedback"][name] == json!(1);
        let accounting = format!("/api/v1/publications/{}/accounting", self.ferry);
        self.api.until(&accounting, counted("bounced")).await;
        is(
            &send(&hook, AGENT, MAIL, &report(COMPLAINT, &ferry, CURRENT)),
            204,
        );
        let header = ferry.header("List-Unsubscribe").unwrap();
        let (_, token) = header.split_once("/u/").unwrap();
        let token = token.split('>').next().unwrap();
        let leave =
            format!("From: {NAME} <{CURRENT}>\r\nSubject: unsubscribe {token}\r\n\r\n{WHY}\r\n");
        is(&send(&hook, AGENT, MAIL, &leave), 204);
        let by_hand = ["suppressions", "add", CURRENT];
        self.program.says(&by_hand);
        self.api
            .until(&self.path(""), |it| it["state"] == json!("unsubscribed"))
            .await;
    }

    /// Is erased while a mail to them waits for its server's last word; gives the receipt.
    pub(super) async fn is_erased_while_a_mail_is_on_its_way(&self, handed: &Path) -> String {
        let receipt = handed.join("receipt.json");
        let (why, out) = (format!("--reason={WHY}"), receipt.to_str().unwrap());
        let arguments = ["erase", "subscriber", CURRENT, &why, "--out", out];
        let erasing = self.program.begin(&arguments, None, &[]);
        // They are gone from the view, and it is not done.
        let gone = |it: &Value| it["email"] == json!(null);
        self.api.until(&self.path(""), gone).await;
        let erasure = self.api.get(&self.path("/erasure")).await;
        assert_eq!(erasure["state"], json!("requested"), "{erasure}");
        self.sink.release();
        let erasing = tokio::task::spawn_blocking(move || erasing.end());
        let erased = erasing.await.unwrap();
        assert!(erased.status.success(), "{}", self.program.said());
        let printed = String::from_utf8(erased.stdout).unwrap();
        let told = self.api.get(&self.path("/timeline?limit=200")).await;
        let told = told["items"].as_array().unwrap();
        let at = |name: &str| {
            told.iter()
                .position(|it| it["type"] == json!(name))
                .unwrap()
        };
        // The newest comes first.
        assert!(at("subscriber.Erased") < at("delivery.Sent"), "{told:?}");
        assert!(
            at("delivery.Sent") < at("subscriber.ErasureRequested"),
            "{told:?}"
        );
        printed + &fs::read_to_string(receipt).unwrap()
    }
}
