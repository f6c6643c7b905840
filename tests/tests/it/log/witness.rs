//! The witness: what it writes down, how it finds its place again, and that it never stops a commit.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidings_event_store::hex::Hex;
use tidings_event_store::witness::{
    Compared, Entry, FACT_TYPES, Fact, Folder, Keeper, Line, SigningKey, WitnessError,
    WitnessReport, check, compare, line_hash,
};
use tidings_event_store::{NewEvent, Progress};
use tidings_proto::{EventMessage, subscriber, suppression};
use tidings_tests::Platform;
use uuid::Uuid;

/// A platform and the folder of its witness.
pub(super) struct Witnessed {
    pub(super) platform: Platform,
    pub(super) folder: Folder,
    root: TempDir,
}

impl Witnessed {
    pub(super) async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            platform: Platform::start().await,
            folder: Folder::new(root.path().join("witness")),
            root,
        }
    }

    pub(super) fn keeper(&self) -> Keeper {
        Keeper::new(
            self.platform.store.log().clone(),
            self.folder.clone(),
            key(),
        )
    }

    /// Witnesses all there is, with a keeper that ends then.
    pub(super) async fn witness(&self) {
        caught_up(&mut self.keeper(), &self.platform).await.unwrap();
    }

    pub(super) fn report(&self) -> Result<WitnessReport, WitnessError> {
        check(&self.folder, Some(key().public()), &mut |_, _| ())
    }

    pub(super) async fn compared(&self) -> Compared {
        let report = self.report().unwrap();
        compare(self.platform.store.log(), &self.folder, &report)
            .await
            .unwrap()
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut keep = |_: &str, line: &Line| {
            if let Entry::Fact(fact) = &line.entry {
                facts.push(fact.clone());
            }
        };
        check(&self.folder, None, &mut keep).unwrap();
        facts
    }

    /// Puts the first file in place as a build would have written it that says this instead of each line.
    pub(super) fn let_another_build_write(&self, instead: &dyn Fn(Entry) -> Vec<Entry>) {
        let file = self.files().remove(0);
        let written = fs::read_to_string(&file).unwrap();
        let (mut line, mut previous, mut text) = (0, Hex([0; 32]), String::new());
        for own in written.lines().map(|own| Line::parse(own).unwrap()) {
            let at = own.at;
            for entry in instead(own.entry) {
                line += 1;
                let signed = Line {
                    line,
                    previous,
                    at,
                    entry,
                }
                .sign(&key());
                previous = line_hash(&signed);
                text.push_str(&signed);
                text.push('\n');
            }
        }
        fs::write(&file, text).unwrap();
    }

    /// The types of facts that the `opened` lines promise, one after the other.
    pub(super) fn promised(&self) -> Vec<Vec<String>> {
        let mut promised = Vec::new();
        let mut keep = |_: &str, line: &Line| {
            if let Entry::Opened { facts, .. } = &line.entry {
                promised.push(facts.clone());
            }
        };
        check(&self.folder, None, &mut keep).unwrap();
        promised
    }

    /// Its files, oldest first.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        files(self.folder.path())
    }

    pub(super) async fn commit(&self, events: Vec<NewEvent>) -> i64 {
        let committed = self.platform.commit(Vec::new(), events).await.unwrap();
        committed.last_position
    }

    /// An event of a room, with nothing sealed in it.
    pub(super) fn event<M: EventMessage>(&self, stream_id: Uuid, message: &M) -> NewEvent {
        NewEvent {
            event_type: M::TYPE,
            payload: message.encode_to_vec(),
            ..self.platform.counted(stream_id, 0)
        }
    }

    pub(super) fn left(&self, subscriber: Uuid) -> NewEvent {
        let message = subscriber::Unsubscribed {
            method: "one_click".to_owned(),
            ..Default::default()
        };
        self.event(subscriber, &message)
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .collect();
    files.sort();
    files
}

pub(super) fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

pub(super) async fn caught_up(
    keeper: &mut Keeper,
    platform: &Platform,
) -> Result<(), WitnessError> {
    while keeper.step(platform.clock.clock().now()).await? == Progress::Advanced {}
    Ok(())
}

pub(super) fn bounced_and_lifted() -> (suppression::Added, suppression::Lifted) {
    let added = suppression::Added {
        scope: "address".to_owned(),
        reason: "hard_bounce".to_owned(),
        ..Default::default()
    };
    let lifted = suppression::Lifted {
        reasons: vec!["hard_bounce".to_owned()],
    };
    (added, lifted)
}

#[tokio::test]
async fn heads_and_facts_about_consent_are_written_down_and_nothing_personal() {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    let mut keeper = witnessed.keeper();
    caught_up(&mut keeper, platform).await.unwrap();
    assert!(witnessed.files().is_empty(), "nothing to witness yet");
    let [ada, bob, list] = std::array::from_fn(|_| platform.ids.next());
    let topic = platform.ids.next();
    let topic_left = subscriber::Unsubscribed {
        method: "page".to_owned(),
        topic_id: topic.as_bytes().to_vec().into(),
        ..Default::default()
    };
    let back = subscriber::Resubscribed {
        method: "page".to_owned(),
        evidence: None,
        ..Default::default()
    };
    let (added, lifted) = bounced_and_lifted();
    platform.fill(5, 2).await;
    witnessed.commit(vec![witnessed.left(ada)]).await;
    witnessed
        .commit(vec![
            witnessed.event(bob, &topic_left),
            platform.counted(platform.ids.next(), 1),
            witnessed.event(list, &added),
        ])
        .await;
    caught_up(&mut keeper, platform).await.unwrap();
    witnessed
        .commit(vec![
            witnessed.event(bob, &back),
            witnessed.event(list, &lifted),
        ])
        .await;
    caught_up(&mut keeper, platform).await.unwrap();
    assert_eq!(
        keeper.step(platform.clock.clock().now()).await.unwrap(),
        Progress::Idle
    );

    let facts = witnessed.facts();
    let told: Vec<_> = facts
        .iter()
        .map(|fact| (fact.position, fact.event_type.as_str(), fact.stream_id))
        .collect();
    assert_eq!(
        told,
        [
            (6, "subscriber.Unsubscribed", ada),
            (7, "subscriber.Unsubscribed", bob),
            (9, "suppression.Added", list),
            (10, "subscriber.Resubscribed", bob),
            (11, "suppression.Lifted", list),
        ]
    );
    assert_eq!((facts[0].topic_id, facts[1].topic_id), (None, Some(topic)));
    assert_eq!(facts[0].method.as_deref(), Some("one_click"));
    assert_eq!(
        (facts[2].scope.as_deref(), &facts[2].reasons),
        (Some("address"), &vec!["hard_bounce".to_owned()])
    );
    assert_eq!(facts[4].reasons, ["hard_bounce"]);
    let report = witnessed.report().unwrap();
    assert_eq!((report.heads, report.facts, report.position), (2, 5, 11));
    let standing = *keeper.standings().borrow();
    assert_eq!((standing.position, standing.log_position), (11, 11));
    let compared = witnessed.compared().await;
    assert_eq!((compared.heads, compared.finding), (2, None));
}

#[test]
fn every_event_that_decides_about_consent_or_takes_something_away_for_good_is_a_fact() {
    let decides = |name: &&&str| {
        let noun = name.split_once('.').map_or("", |(noun, _)| noun);
        // Signing up and moving bring an address, which the witness must not hold (what that means for a restore stands in
        // docs/guarantees.md); who has lost their confirmation gets no mail; and
        // preferences never say whether somebody gets something.
        let others = [
            "subscriber.SignedUp",
            "subscriber.Confirmed",
            "subscriber.ContactChanged",
            "subscriber.PreferencesChanged",
            // A key that is lost lets nobody in.
            "api_key.Created",
            // A month whose time is over is found again by its age.
            "engagement_period.Closed",
        ];
        let nouns = ["subscriber", "suppression", "api_key", "engagement_period"];
        nouns.contains(&noun) && !others.contains(*name)
    };
    let mut all: Vec<&str> = tidings_proto::EVENT_TYPES
        .iter()
        .filter(decides)
        .copied()
        .collect();
    let mut facts = FACT_TYPES.to_vec();
    all.sort_unstable();
    facts.sort_unstable();
    assert_eq!(
        facts, all,
        "a new event: say in the witness what a restored log must learn of it"
    );
}

/// What kill -9 can leave: any beginning of what was being written.
#[tokio::test]
async fn a_write_cut_short_at_any_byte_is_made_good_from_the_log() {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    platform.fill(3, 1).await;
    witnessed.witness().await;
    let file = witnessed.files().remove(0);
    let before = fs::read(&file).unwrap();
    for _ in 0..3 {
        witnessed
            .commit(vec![witnessed.left(platform.ids.next())])
            .await;
    }
    witnessed.witness().await;
    let after = fs::read(&file).unwrap();
    assert_eq!(&after[..before.len()], before);
    let whole = witnessed.facts();
    for cut in (before.len()..after.len())
        .step_by(37)
        .chain([0, 1, before.len() - 1])
    {
        fs::write(&file, &after[..cut]).unwrap();
        witnessed.witness().await;
        assert_eq!(witnessed.facts(), whole, "cut at {cut}");
        let report = witnessed.report().unwrap();
        assert_eq!((report.position, report.half_written_bytes), (6, 0));
        assert_eq!(witnessed.compared().await.finding, None, "cut at {cut}");
    }
    // Read while the platform is down, the half line is not believed and no scandal.
    fs::write(&file, &after[..after.len() - 10]).unwrap();
    let report = witnessed.report().unwrap();
    assert_eq!(report.position, 3);
    assert!(report.half_written_bytes > 0);
    assert_eq!(witnessed.compared().await.finding, None);
}

#[tokio::test]
async fn a_crash_while_a_file_begins_leaves_no_hole() {
    let witnessed = Witnessed::new().await;
    witnessed.platform.fill(3, 1).await;
    witnessed.witness().await;
    let next = witnessed.folder.path().join("witness-00000002.jsonl");
    for left in ["", "{\"line\":3,\"prev"] {
        fs::write(&next, left).unwrap();
        let position = witnessed.platform.fill(2, 1).await;
        witnessed.witness().await;
        let report = witnessed.report().unwrap();
        assert_eq!((report.position, witnessed.files().len()), (position, 2));
        assert_eq!(witnessed.compared().await.finding, None);
        // Once more with the other remains, as if it had happened then.
        fs::remove_file(&next).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_has_grown_is_followed_by_the_next_and_older_ones_may_go_elsewhere() {
    let mut witnessed = Witnessed::new().await;
    witnessed.folder = Folder::with_files_of(witnessed.folder.path(), 1_200);
    let mut keeper = witnessed.keeper();
    for _ in 0..12 {
        witnessed
            .commit(vec![witnessed.left(witnessed.platform.ids.next())])
            .await;
        caught_up(&mut keeper, &witnessed.platform).await.unwrap();
    }
    let files = witnessed.files();
    assert!(files.len() > 3, "{files:?}");
    assert_eq!(witnessed.facts().len(), 12);
    let compared = witnessed.compared().await;
    assert_eq!((compared.heads, compared.finding), (12, None));
    fs::remove_file(&files[0]).unwrap();
    let report = witnessed.report().unwrap();
    assert!(
        report.begins_at_line > 1 && report.position == 12,
        "{report:?}"
    );
    assert_eq!(witnessed.compared().await.finding, None);
    // Nothing may be added to a file that another one follows.
    let mut out = OpenOptions::new().append(true).open(&files[1]).unwrap();
    out.write_all(b"{").unwrap();
    assert!(matches!(
        witnessed.report(),
        Err(WitnessError::Tampered { .. })
    ));
    out.set_len(out.metadata().unwrap().len() - 1).unwrap();
    assert!(witnessed.report().is_ok());
    // One in the middle may not.
    fs::remove_file(&files[2]).unwrap();
    assert!(matches!(
        witnessed.report(),
        Err(WitnessError::Tampered { .. })
    ));
}

#[tokio::test]
async fn two_keepers_of_one_folder_never_write_between_each_other() {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    let (mut one, mut other) = (witnessed.keeper(), witnessed.keeper());
    platform.fill(2, 1).await;
    caught_up(&mut one, platform).await.unwrap();
    platform.fill(2, 1).await;
    caught_up(&mut other, platform).await.unwrap();
    assert!(other.standings().borrow().elsewhere);
    assert_eq!(witnessed.report().unwrap().position, 2);
    caught_up(&mut one, platform).await.unwrap();
    drop(one);
    platform.fill(2, 1).await;
    caught_up(&mut other, platform).await.unwrap();
    let standing = *other.standings().borrow();
    assert_eq!((standing.elsewhere, standing.position), (false, 6));
    assert_eq!(witnessed.report().unwrap().position, 6);
    assert_eq!(witnessed.compared().await.finding, None);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_stops_no_commit_and_is_caught_up() {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    // A file in the way, as a mount that is missing.
    fs::write(witnessed.folder.path(), "").unwrap();
    let mut keeper = witnessed.keeper();
    witnessed
        .commit(vec![witnessed.left(platform.ids.next())])
        .await;
    let failed = caught_up(&mut keeper, platform).await.unwrap_err();
    assert!(!failed.is_final(), "{failed}");
    witnessed
        .commit(vec![witnessed.left(platform.ids.next())])
        .await;
    fs::remove_file(witnessed.folder.path()).unwrap();
    caught_up(&mut keeper, platform).await.unwrap();
    assert_eq!(witnessed.facts().len(), 2);
    assert_eq!(witnessed.compared().await.finding, None);
    assert!(witnessed.root.path().exists());
}

#[tokio::test]
async fn a_restored_log_goes_on_and_what_was_given_up_stays_on_record() {
    let mut witnessed = Witnessed::new().await;
    let mut keeper = witnessed.keeper();
    let mut left = Vec::new();
    for _ in 0..4 {
        let subscriber = witnessed.platform.ids.next();
        left.push(subscriber);
        witnessed.commit(vec![witnessed.left(subscriber)]).await;
        caught_up(&mut keeper, &witnessed.platform).await.unwrap();
    }
    let client = witnessed.platform.pool.get().await.unwrap();
    client
        .batch_execute(
            "delete from publishing_events where position > 2; \
             delete from publishing_batches where last_position > 2",
        )
        .await
        .unwrap();
    let gone_back = caught_up(&mut keeper, &witnessed.platform)
        .await
        .unwrap_err();
    assert!(
        matches!(gone_back, WitnessError::Diverged { position: 4 }),
        "{gone_back}"
    );
    client
        .execute(
            "insert into publishing_incarnations values (gen_random_uuid(), 2, 2, clock_timestamp(), 2)",
            &[],
        )
        .await
        .unwrap();
    witnessed.platform.restart_log();
    let mut keeper = witnessed.keeper();
    witnessed.commit(vec![witnessed.left(left[3])]).await;
    caught_up(&mut keeper, &witnessed.platform).await.unwrap();
    let report = witnessed.report().unwrap();
    let given_up: Vec<_> = report
        .given_up
        .iter()
        .map(|it| (it.after, it.through))
        .collect();
    assert_eq!(given_up, [(2, 4)]);
    assert_eq!(report.position, 3);
    assert_eq!(witnessed.compared().await.finding, None);
    // What a restore has to learn again is still there.
    let facts = witnessed.facts();
    let told: Vec<_> = facts
        .iter()
        .map(|fact| (fact.position, fact.stream_id))
        .collect();
    assert_eq!(
        told,
        [
            (1, left[0]),
            (2, left[1]),
            (3, left[2]),
            (4, left[3]),
            (3, left[3])
        ]
    );
    drop(keeper);
    witnessed
        .commit(vec![witnessed.left(witnessed.platform.ids.next())])
        .await;
    witnessed.witness().await;
    assert_eq!(
        witnessed.compared().await.finding,
        None,
        "it was opened anew after that line"
    );
}

#[tokio::test]
async fn bytes_after_the_last_line_are_cut_off_whatever_they_are() {
    let witnessed = Witnessed::new().await;
    witnessed.platform.fill(2, 1).await;
    witnessed.witness().await;
    let file = witnessed.files().remove(0);
    let mut out = OpenOptions::new().append(true).open(&file).unwrap();
    out.write_all(&[0xff, 0, 0xfe]).unwrap();
    witnessed.platform.fill(1, 1).await;
    witnessed.witness().await;
    assert_eq!(witnessed.report().unwrap().position, 3);
}
