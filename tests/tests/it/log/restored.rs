//! What a log that was put back learns again from its witness, and which witness it does not believe.

use std::fs;

use tempfile::TempDir;
use tidings_domain::log::Restored;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{self, ResubscribeMethod, Standing, Subscriber, What};
use tidings_domain::suppression::{self, Reason, Scope, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_event_store::audit::verify;
use tidings_event_store::relay::Relay;
use tidings_event_store::restore::{Again, Beginning, Lacking, again, begin, begun, record};
use tidings_event_store::witness::{
    self, Folder, Growth, Keeper, Lost, LostError, PublicKey, SigningKey, WitnessReport, lost,
};
use tidings_event_store::{Progress, Recorded};
use tidings_tests::audit;
use tidings_tests::house::House;
use uuid::Uuid;

use super::witness::caught_up;

/// A house whose log is witnessed, and can be put back to where it was.
pub(super) struct Witnessed {
    pub(super) house: House,
    root: TempDir,
    pub(super) folder: Folder,
    pub(super) key: PublicKey,
}

impl Witnessed {
    pub(super) async fn new() -> Self {
        let house = House::start_without_delivery().await;
        let root = tempfile::tempdir().unwrap();
        let key = key(&house).await.public();
        Self {
            folder: Folder::new(root.path().join("witness")),
            house,
            root,
            key,
        }
    }

    pub(super) async fn witness(&self) {
        let log = self.house.platform.store.log().clone();
        let mut keeper = Keeper::new(log, self.folder.clone(), key(&self.house).await);
        caught_up(&mut keeper, &self.house.platform).await.unwrap();
    }

    pub(super) async fn head(&self) -> i64 {
        let log = self.house.platform.store.log();
        log.head().await.unwrap().position
    }

    /// As a backup of that position would have it.
    pub(super) async fn go_back_to(&self, position: i64) {
        let client = self.house.platform.pool.get().await.unwrap();
        let sql = format!(
            "delete from publishing_events where position > {position};
             delete from publishing_batches where last_position > {position}"
        );
        client.batch_execute(&sql).await.unwrap();
    }

    async fn lost_in(&self, folder: &Folder) -> Result<Lost, LostError> {
        let log = self.house.platform.store.log();
        lost(log, folder, self.key, self.head().await, Growth::None).await
    }

    /// The same of a backup from before the restores that followed.
    pub(super) async fn go_back_behind_restores_to(&self, position: i64) {
        self.go_back_to(position).await;
        let client = self.house.platform.pool.get().await.unwrap();
        let sql = "delete from publishing_incarnations where ordinal > 1";
        client.batch_execute(sql).await.unwrap();
    }

    pub(super) async fn restore(&self, incarnation: Uuid, growth: Growth) -> Again {
        self.restore_with(&self.folder, incarnation, growth).await
    }

    async fn restore_with(&self, folder: &Folder, incarnation: Uuid, growth: Growth) -> Again {
        let (store, now) = (
            &self.house.platform.store,
            self.house.platform.clock.clock().now(),
        );
        let end = match begun(store, incarnation).await.unwrap() {
            Some(after) => after,
            None => self.head().await,
        };
        let lost = lost(store.log(), folder, self.key, end, growth).await;
        let lost = lost.unwrap();
        let grown = growth == Growth::Possible;
        let beginning = Beginning {
            incarnation,
            parted_after: grown.then_some(lost.common),
            witnessed: &lost.incarnations,
        };
        let begun = begin(store, beginning, now).await.unwrap();
        let restored = Restored {
            incarnation,
            after_position: begun.after_position,
            parted_after: begun.parted_after,
            lost_through: lost.through.max(begun.parted_after),
            backed_up_at: None,
        };
        let restored = record(store, restored, now).await.unwrap();
        let lacking = Lacking {
            facts: &lost.facts,
            parted_after: if grown { lost.same } else { end },
        };
        again(store, &restored, lacking, now, &mut |_, _| ())
            .await
            .unwrap()
    }

    /// The relay of an incarnation brings it up to date.
    async fn relay(&self, incarnation: Uuid) {
        let platform = &self.house.platform;
        let (log, nats) = (platform.store.log().clone(), platform.nats.clone());
        let mut relay = Relay::new(log, nats, platform.name.of(incarnation));
        while relay.step().await.unwrap() == Progress::Advanced {}
    }

    /// The witness goes on in the same files, and the log is what it says and what its own hashes say.
    pub(super) async fn witness_finds_nothing_wrong(&self) -> WitnessReport {
        self.witness().await;
        let log = self.house.platform.store.log();
        let report = witness::check(&self.folder, Some(self.key), &mut |_, _| ()).unwrap();
        let compared = witness::compare(log, &self.folder, &report).await;
        assert_eq!(compared.unwrap().finding, None);
        assert_eq!(report.position, self.head().await);
        let verified = verify(log.pool(), 1, &mut |_| ()).await.unwrap();
        assert_eq!(verified.finding, None);
        report
    }

    pub(super) async fn standing(&self, subscriber_id: Uuid) -> Standing {
        let store = &self.house.platform.store;
        let loaded = store.load::<Subscriber>(subscriber_id).await.unwrap();
        loaded.state.standing()
    }

    pub(super) async fn come_back(&self, subscriber_id: Uuid) {
        let context = self.house.context();
        let command = || subscriber::Command::Resubscribe {
            method: ResubscribeMethod::Api,
            evidence: None,
            what: What::Everything,
        };
        let store = &self.house.platform.store;
        store
            .execute::<Subscriber>(subscriber_id, &context, None, command)
            .await
            .unwrap();
    }

    pub(super) async fn suppression(&self, id: Uuid, command: suppression::Command) {
        let context = self.house.context();
        let store = &self.house.platform.store;
        store
            .execute::<Suppression>(id, &context, None, || command.clone())
            .await
            .unwrap();
    }

    pub(super) async fn reasons(&self, id: Uuid) -> Vec<Reason> {
        let store = &self.house.platform.store;
        let loaded = store.load::<Suppression>(id).await.unwrap();
        loaded.state.reasons().to_vec()
    }
}

async fn key(house: &House) -> SigningKey {
    let vault = house.platform.store.vault();
    vault
        .witness_key(house.platform.clock.clock().now())
        .await
        .unwrap()
}

pub(super) fn add(reason: Reason) -> suppression::Command {
    suppression::Command::Add {
        scope: Scope::Address,
        reason,
        delivery_id: None,
        value: None,
    }
}

/// What is lost: who leaves and comes back after the backup, and what is suppressed and lifted.
async fn another_day(
    it: &Witnessed,
    [left, came_back, left_again, was_away]: [Uuid; 4],
    [added, lifted]: [Uuid; 2],
) {
    let house = &it.house;
    house.unsubscribe(left).await;
    house.unsubscribe(came_back).await;
    it.come_back(came_back).await;
    house.unsubscribe(left_again).await;
    it.come_back(left_again).await;
    house.unsubscribe(left_again).await;
    it.come_back(was_away).await;
    let unknown = house.subscriber("unknown@example.org").await;
    house.unsubscribe(unknown).await;
    let passing = house.subscriber("passing@example.org").await;
    house.unsubscribe(passing).await;
    it.come_back(passing).await;
    it.suppression(added, add(Reason::HardBounce)).await;
    let reasons = vec![Reason::Manual];
    it.suppression(lifted, suppression::Command::Lift { reasons })
        .await;
}

/// Everything after a restore was said again because of it.
fn all_follow_from(restored: i64, log: &[Recorded]) {
    for event in &log[restored as usize..] {
        assert_eq!(event.causation, Some(restored));
        assert_eq!(event.actor, "cli");
    }
}

#[tokio::test]
async fn the_last_word_of_everybody_counts_again_and_once() {
    let it = Witnessed::new().await;
    let house = &it.house;
    let [stayed, left, came_back, left_again, was_away] = [
        house.subscriber("stayed@example.org").await,
        house.subscriber("left@example.org").await,
        house.subscriber("came.back@example.org").await,
        house.subscriber("left.again@example.org").await,
        house.subscriber("was.away@example.org").await,
    ];
    let (added, lifted) = (house.platform.ids.next(), house.platform.ids.next());
    house.unsubscribe(was_away).await;
    it.suppression(lifted, add(Reason::Manual)).await;
    it.witness().await;
    let backup = it.head().await;

    another_day(
        &it,
        [left, came_back, left_again, was_away],
        [added, lifted],
    )
    .await;
    it.witness().await;
    let through = it.head().await;
    it.go_back_to(backup).await;

    let lost = it.lost_in(&it.folder).await.unwrap();
    assert_eq!((lost.through, lost.facts.len()), (through, 12));
    let incarnation = house.platform.ids.next();
    let done = it.restore(incarnation, Growth::None).await;
    let suppression_of = |email: &str| {
        let email = EmailAddress::parse(email).unwrap();
        stream_id::address_suppression(&house.id_key, &email)
    };
    let learnt = async || {
        assert_eq!(it.standing(stayed).await, Standing::Active);
        assert_eq!(it.standing(left).await, Standing::Unsubscribed);
        assert_eq!(it.standing(came_back).await, Standing::Active);
        assert_eq!(it.standing(left_again).await, Standing::Unsubscribed);
        assert_eq!(it.standing(was_away).await, Standing::Active);
        assert_eq!(it.reasons(added).await, [Reason::HardBounce]);
        assert!(it.reasons(lifted).await.is_empty());
        let unknown = suppression_of("unknown@example.org");
        assert_eq!(it.reasons(unknown).await, [Reason::Unsubscribed]);
        let passing = suppression_of("passing@example.org");
        assert!(it.reasons(passing).await.is_empty());
    };
    learnt().await;
    assert_eq!((done.facts, done.unknown), (12, 1));
    let events: Vec<(&str, u64)> = done.events.into_iter().collect();
    let expected = [
        ("subscriber.Resubscribed", 3),
        ("subscriber.Unsubscribed", 4),
        ("suppression.Added", 2),
        ("suppression.Lifted", 1),
    ];
    assert_eq!(events, expected);

    // Once more, as after a kill: nothing is added, whatever it had come to.
    let head = it.head().await;
    it.restore(incarnation, Growth::None).await;
    assert_eq!(it.head().await, head);
    learnt().await;
    let log = audit::sound_log(house.platform.store.log()).await;
    let restored = log.iter().find(|it| it.event_type == "log.Restored");
    let restored = restored.unwrap().position;
    assert_eq!(restored, backup + 1);
    all_follow_from(restored, &log);
    assert_eq!(it.witness_finds_nothing_wrong().await.given_up.len(), 1);
    // And a second restore to the same place learns the same from it.
    it.go_back_behind_restores_to(backup).await;
    it.restore(house.platform.ids.next(), Growth::None).await;
    learnt().await;
    assert_eq!(it.witness_finds_nothing_wrong().await.given_up.len(), 2);
}

/// The witness knows no address: what it says of one is all that keeps mail away from who has moved since.
#[tokio::test]
async fn an_address_that_was_given_up_is_not_written_to_by_a_log_that_lost_the_change() {
    let it = Witnessed::new().await;
    it.house.subscriber("ada@example.org").await;
    it.witness().await;
    let backup = it.head().await;
    let email = EmailAddress::parse("ada@example.org").unwrap();
    let old = stream_id::address_suppression(&it.house.id_key, &email);
    it.suppression(old, add(Reason::Moved)).await;
    it.witness().await;
    it.go_back_to(backup).await;
    assert_eq!(it.reasons(old).await, []);
    let incarnation = it.house.platform.ids.next();
    it.restore(incarnation, Growth::None).await;
    assert_eq!(it.reasons(old).await, [Reason::Moved]);
    it.witness_finds_nothing_wrong().await;
}

/// The log has lost that it was restored before. The witness has not, and the stream of that life is still there.
#[tokio::test]
async fn a_second_restore_goes_back_behind_the_first() {
    let it = Witnessed::new().await;
    let (house, platform) = (&it.house, &it.house.platform);
    let ada = house.subscriber("ada@example.org").await;
    let grace = house.subscriber("grace@example.org").await;
    let original = platform.name.incarnation();
    let [first, second] = [platform.ids.next(), platform.ids.next()];
    it.relay(original).await;
    it.witness().await;
    let backup = it.head().await;
    house.unsubscribe(ada).await;
    it.relay(original).await;
    it.witness().await;

    it.go_back_to(backup).await;
    it.restore(first, Growth::None).await;
    it.relay(first).await;
    house.unsubscribe(grace).await;
    it.relay(first).await;
    it.witness_finds_nothing_wrong().await;

    it.go_back_behind_restores_to(backup).await;
    for _ in 0..2 {
        it.restore(second, Growth::None).await;
        let all = platform.store.log().incarnations().await.unwrap();
        assert_eq!(all, [original, first, second]);
        assert_eq!(it.standing(ada).await, Standing::Unsubscribed);
        assert_eq!(it.standing(grace).await, Standing::Unsubscribed);
    }
    it.relay(second).await;
    it.witness_finds_nothing_wrong().await;
    house.subscriber("edsger@example.org").await;
    it.relay(second).await;
    let report = it.witness_finds_nothing_wrong().await;
    let began: Vec<_> = report.given_up.iter().map(|it| it.incarnation).collect();
    assert_eq!(began, [first, second]);
}

/// A run of the restore that knows less than the one before it is as good as none.
#[tokio::test]
async fn run_again_it_adds_what_is_known_since_and_takes_nothing_back() {
    let it = Witnessed::new().await;
    let house = &it.house;
    let ada = house.subscriber("ada@example.org").await;
    it.witness().await;
    let backup = it.head().await;
    house.unsubscribe(ada).await;
    it.come_back(ada).await;
    it.witness().await;
    let older = Folder::new(it.root.path().join("older"));
    copy(&it.folder, &older);
    house.unsubscribe(ada).await;
    it.witness().await;

    let newest = &it.folder;
    for runs in [
        &[&older, newest, &older, newest][..],
        &[newest, &older, newest],
    ] {
        it.go_back_behind_restores_to(backup).await;
        let incarnation = house.platform.ids.next();
        let mut end = None;
        for folder in runs {
            it.restore_with(folder, incarnation, Growth::None).await;
            let knows_less = end.is_none() && *folder == &older;
            let standing = if knows_less {
                Standing::Active
            } else {
                end.get_or_insert(it.head().await);
                Standing::Unsubscribed
            };
            assert_eq!(it.standing(ada).await, standing);
        }
        assert_eq!(Some(it.head().await), end, "nothing is recorded twice");
    }
    it.witness_finds_nothing_wrong().await;
}

#[tokio::test]
async fn a_witness_that_is_not_this_logs_newest_is_refused() {
    let it = Witnessed::new().await;
    let house = &it.house;
    let ada = house.subscriber("ada@example.org").await;
    it.witness().await;
    let older = Folder::new(it.root.path().join("older"));
    copy(&it.folder, &older);
    house.subscriber("grace@example.org").await;
    it.witness().await;
    let backup = it.head().await;
    house.unsubscribe(ada).await;
    it.witness().await;
    let foreign = Witnessed::new().await;
    foreign.house.subscriber("eve@example.org").await;
    foreign.witness().await;

    it.go_back_to(backup).await;
    assert_eq!(it.lost_in(&it.folder).await.unwrap().facts.len(), 1);
    let refused = |result: Result<Lost, LostError>| result.unwrap_err().to_string();
    let text = refused(it.lost_in(&older).await);
    assert!(text.contains("it is an older copy"), "{text}");
    let text = refused(it.lost_in(&foreign.folder).await);
    assert!(text.contains("is signed by the key"), "{text}");
    let nothing = Folder::new(it.root.path().join("nothing"));
    let text = refused(it.lost_in(&nothing).await);
    assert!(text.contains("there is no witness in"), "{text}");

    // Somebody takes the fact out.
    let tampered = Folder::new(it.root.path().join("tampered"));
    copy(&it.folder, &tampered);
    let file = tampered.path().join("witness-00000001.jsonl");
    let lines = fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = lines.lines().filter(|it| !it.contains("fact")).collect();
    fs::write(&file, kept.join("\n") + "\n").unwrap();
    let text = refused(it.lost_in(&tampered).await);
    assert!(text.contains("tampered with"), "{text}");

    // The backup is of another history with the same keys.
    it.go_back_to(backup - 2).await;
    house.subscriber("mallory@example.org").await;
    let text = refused(it.lost_in(&it.folder).await);
    assert!(text.contains("is not of this log"), "{text}");
}

fn copy(from: &Folder, to: &Folder) {
    fs::create_dir(to.path()).unwrap();
    for entry in fs::read_dir(from.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
}
