//! What an owner of the database, or of the witness's folder, could try, and how it is found. And what only looks like
//! it: lines that another build wrote, and files that were moved away.

use std::fs;

use tidings_event_store::audit::{Defect, Finding, verify};
use tidings_event_store::witness::{
    Entry, FACT_TYPES, Fact, Folder, Keeper, SigningKey, WitnessError, check,
};
use tidings_tests::forger;
use uuid::Uuid;

use super::witness::{Witnessed, bounced_and_lifted, caught_up, key};

/// Ten events in as many batches, witnessed after each but the last two.
async fn witnessed() -> Witnessed {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    let mut keeper = witnessed.keeper();
    for n in 0..10 {
        let event = if n % 2 == 0 {
            witnessed.left(platform.ids.next())
        } else {
            platform.counted(platform.ids.next(), n)
        };
        witnessed.commit(vec![event]).await;
        if n < 8 {
            caught_up(&mut keeper, platform).await.unwrap();
        }
    }
    witnessed
}

async fn found_after(witnessed: &Witnessed, sql: &str) -> Option<Finding> {
    let client = witnessed.platform.pool.get().await.unwrap();
    client.batch_execute(sql).await.unwrap();
    forger::rehash(&witnessed.platform).await;
    let verified = verify(&witnessed.platform.pool, 2, &mut |_| ())
        .await
        .unwrap();
    assert_eq!(verified.finding, None, "sound in itself: {sql}");
    witnessed.compared().await.finding
}

fn rewritten(position: i64, through: i64) -> Option<Finding> {
    Some(Finding {
        position,
        through,
        code: Defect::WitnessSawOther,
    })
}

#[tokio::test]
async fn a_log_rewritten_and_hashed_anew_is_found_at_the_first_rewritten_head() {
    for position in [1, 4, 8] {
        let witnessed = witnessed().await;
        let sql =
            format!("update publishing_events set actor = 'user:x' where position = {position}");
        let found = found_after(&witnessed, &sql).await;
        assert_eq!(found, rewritten(position, position));
        // The platform itself notices, signs nothing, and records nothing any more.
        let lines = witnessed.report().unwrap().line;
        let refused = caught_up(&mut witnessed.keeper(), &witnessed.platform).await;
        assert!(
            matches!(refused, Err(WitnessError::Diverged { position: 8 })),
            "{refused:?}"
        );
        assert_eq!(witnessed.report().unwrap().line, lines);
        assert!(witnessed.platform.store.log().alive().is_err());
    }
}

#[tokio::test]
async fn an_unsubscribe_that_is_rewritten_away_is_found() {
    let witnessed = witnessed().await;
    let sql = "update publishing_events set type = 'tally.Counted' where position = 5";
    assert_eq!(found_after(&witnessed, sql).await, rewritten(5, 5));
}

#[tokio::test]
async fn what_no_head_covers_yet_is_not_protected() {
    let witnessed = witnessed().await;
    let sql = "update publishing_events set actor = 'user:x' where position = 9";
    assert_eq!(found_after(&witnessed, sql).await, None);
}

#[tokio::test]
async fn a_log_cut_off_or_rolled_back_is_found_and_growing_over_it_too() {
    let witnessed = witnessed().await;
    let sql = "delete from publishing_events where position > 6; \
               delete from publishing_batches where last_position > 6";
    let found = found_after(&witnessed, sql).await;
    let expected = Finding {
        position: 7,
        through: 7,
        code: Defect::WitnessSawMore,
    };
    assert_eq!(found, Some(expected));
    // An older copy that has gone on differently meanwhile.
    witnessed.platform.fill(6, 1).await;
    assert_eq!(witnessed.compared().await.finding, rewritten(7, 7));
}

#[tokio::test]
async fn one_batch_made_of_two_is_found() {
    let witnessed = witnessed().await;
    let sql = "delete from publishing_batches where last_position = 3; \
               update publishing_batches set first_position = 3 where last_position = 4; \
               update publishing_events e set recorded_at = b.committed_at from publishing_batches b \
               where e.position = 3 and b.last_position = 4";
    assert_eq!(found_after(&witnessed, sql).await, rewritten(3, 3));
}

#[tokio::test]
async fn another_log_behind_the_same_witness_is_found() {
    let witnessed = witnessed().await;
    let other = Witnessed::new().await;
    other.platform.fill(12, 3).await;
    let report = witnessed.report().unwrap();
    let log = other.platform.store.log();
    let compared = tidings_event_store::witness::compare(log, &witnessed.folder, &report).await;
    assert!(compared.unwrap().finding.is_some());
    let mut keeper = Keeper::new(log.clone(), witnessed.folder.clone(), key());
    let refused = caught_up(&mut keeper, &other.platform).await.unwrap_err();
    assert!(refused.is_final(), "{refused}");
}

/// Every way to change the lines without the key, and every line.
#[tokio::test]
async fn changed_removed_repeated_and_exchanged_lines_are_found() {
    let witnessed = witnessed().await;
    let file = witnessed.files().remove(0);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let tampered = |what: &str, lines: &[String]| {
        let changed: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&file, changed).unwrap();
        let report = witnessed.report();
        assert!(
            matches!(report, Err(WitnessError::Tampered { .. })),
            "{what}: {report:?}"
        );
    };
    let own = |lines: &[&str]| {
        lines
            .iter()
            .map(|&line| line.to_owned())
            .collect::<Vec<_>>()
    };
    for index in 0..lines.len() {
        let mut changed = own(&lines);
        changed[index] =
            changed[index]
                .replacen("000000Z", "000001Z", 1)
                .replacen("\"line\":", "\"line\": ", 1);
        tampered(&format!("line {index} changed"), &changed);
        if index + 1 < lines.len() {
            let mut removed = own(&lines);
            removed.remove(index);
            tampered(&format!("line {index} removed"), &removed);
            let mut exchanged = own(&lines);
            exchanged.swap(index, index + 1);
            tampered(&format!("line {index} exchanged"), &exchanged);
        }
        let mut repeated = own(&lines);
        repeated.insert(index, lines[index].to_owned());
        tampered(&format!("line {index} repeated"), &repeated);
    }
    // The end can be cut off; then the witness says less, and says so.
    fs::write(&file, format!("{}\n", lines[..lines.len() - 3].join("\n"))).unwrap();
    assert!(witnessed.report().unwrap().position < 8);
}

#[tokio::test]
async fn a_witness_signed_anew_with_another_key_is_not_believed() {
    let witnessed = witnessed().await;
    let forged = Witnessed::new().await;
    let other = SigningKey::from_seed(&[8; 32]);
    let log = witnessed.platform.store.log().clone();
    let mut forger = Keeper::new(log, forged.folder.clone(), other);
    caught_up(&mut forger, &witnessed.platform).await.unwrap();
    let pinned = forged.report().unwrap_err();
    assert!(matches!(pinned, WitnessError::OtherKey { .. }), "{pinned}");
    assert!(
        check(&forged.folder, None, &mut |_, _| ()).is_ok(),
        "only the pin tells"
    );
    // Nor does the platform go on with it, or with a key that somebody put in the database.
    let mut keeper = Keeper::new(
        witnessed.platform.store.log().clone(),
        forged.folder.clone(),
        key(),
    );
    drop(forger);
    let refused = caught_up(&mut keeper, &witnessed.platform)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, WitnessError::OtherKey { .. }),
        "{refused}"
    );
}

/// A wiped folder, or a mount that is missing, is no place to sign the log anew that may have been rewritten.
#[tokio::test]
async fn a_witness_that_has_begun_is_not_begun_anew_in_an_empty_folder() {
    let witnessed = witnessed().await;
    let platform = &witnessed.platform;
    let folder = witnessed.folder.path();
    let away = folder.with_extension("away");
    fs::rename(folder, &away).unwrap();
    let refused = async |what: &str| {
        let mut keeper = witnessed.keeper();
        keeper.must_go_on();
        let refused = caught_up(&mut keeper, platform).await;
        assert!(
            matches!(&refused, Err(WitnessError::Gone(gone)) if gone == folder),
            "{what}: {refused:?}"
        );
        assert!(refused.unwrap_err().is_final());
    };
    refused("no folder").await;
    assert!(!folder.exists(), "nothing is made where a mount is missing");
    fs::create_dir(folder).unwrap();
    refused("an empty folder").await;
    let file = folder.join("witness-00000001.jsonl");
    for empty in ["", "{\"line\":1,"] {
        fs::write(&file, empty).unwrap();
        refused("a file without a line").await;
    }
    fs::remove_dir_all(folder).unwrap();
    fs::rename(&away, folder).unwrap();
    let mut keeper = witnessed.keeper();
    keeper.must_go_on();
    caught_up(&mut keeper, platform).await.unwrap();
    assert_eq!(witnessed.report().unwrap().position, 10);
}

#[tokio::test]
async fn the_signing_key_is_made_once_and_wrapped() {
    let witnessed = Witnessed::new().await;
    let vault = witnessed.platform.store.vault();
    let now = witnessed.platform.clock.clock().now();
    let key = vault.witness_key(now).await.unwrap().public();
    assert_eq!(vault.witness_key(now).await.unwrap().public(), key);
    let client = witnessed.platform.pool.get().await.unwrap();
    let sql = "select octet_length(wrapped) from publishing_keys";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert!(row.get::<_, i32>(0) >= 61, "nonce, key, tag");
}

/// Two people leave; then a suppression is lifted.
async fn consent_changes(witnessed: &Witnessed) {
    let platform = &witnessed.platform;
    for _ in 0..2 {
        witnessed
            .commit(vec![witnessed.left(platform.ids.next())])
            .await;
        witnessed.witness().await;
    }
    lifted(witnessed).await;
    witnessed.witness().await;
}

async fn lifted(witnessed: &Witnessed) {
    let (_, lifted) = bounced_and_lifted();
    let list = witnessed.platform.ids.next();
    witnessed.commit(vec![witnessed.event(list, &lifted)]).await;
}

const LEFT: &str = "subscriber.Unsubscribed";

/// A build that knows only who left, and not how.
fn older(entry: Entry) -> Vec<Entry> {
    match entry {
        Entry::Fact(fact) if fact.event_type != LEFT => Vec::new(),
        Entry::Fact(fact) => vec![Entry::Fact(Fact {
            method: None,
            ..fact
        })],
        other => vec![promising(other, &[LEFT])],
    }
}

fn promising(mut entry: Entry, types: &[&str]) -> Entry {
    if let Entry::Opened { facts, .. } = &mut entry {
        *facts = types.iter().map(|&it| it.to_owned()).collect();
    }
    entry
}

#[tokio::test]
async fn what_a_build_wrote_that_knew_fewer_facts_and_fields_is_no_difference() {
    let witnessed = Witnessed::new().await;
    consent_changes(&witnessed).await;
    witnessed.let_another_build_write(&older);
    let compared = witnessed.compared().await;
    assert_eq!((compared.heads, compared.finding), (3, None));
    // This build promises more from where it goes on, in a new file.
    lifted(&witnessed).await;
    witnessed.witness().await;
    assert_eq!(witnessed.files().len(), 2);
    let ours = FACT_TYPES.map(str::to_owned).to_vec();
    assert_eq!(witnessed.promised(), [vec![LEFT.to_owned()], ours]);
    let told: Vec<i64> = witnessed.facts().iter().map(|fact| fact.position).collect();
    assert_eq!(told, [1, 2, 4]);
    assert_eq!(witnessed.compared().await.finding, None);
    lifted(&witnessed).await;
    witnessed.witness().await;
    assert_eq!(witnessed.files().len(), 2);
}

#[tokio::test]
async fn what_a_build_wrote_that_knows_more_is_no_difference() {
    let witnessed = Witnessed::new().await;
    witnessed.platform.fill(1, 1).await;
    consent_changes(&witnessed).await;
    let newer = |entry: Entry| match entry {
        Entry::Fact(fact) if fact.position == 2 => {
            let counted = Fact {
                position: 1,
                event_type: "tally.Counted".to_owned(),
                ..fact.clone()
            };
            vec![Entry::Fact(counted), Entry::Other, Entry::Fact(fact)]
        }
        other => {
            let mut types = FACT_TYPES.to_vec();
            types.push("tally.Counted");
            vec![promising(other, &types)]
        }
    };
    witnessed.let_another_build_write(&newer);
    let report = witnessed.report().unwrap();
    assert_eq!((report.facts, report.unknown, report.position), (4, 1, 4));
    assert_eq!(witnessed.compared().await.finding, None);
    lifted(&witnessed).await;
    witnessed.witness().await;
    assert_eq!(witnessed.promised()[1], FACT_TYPES);
    assert_eq!(witnessed.compared().await.finding, None);
}

/// Facts that lack their head must stay in one file with it; what is promised changes there.
#[tokio::test]
async fn a_build_that_goes_on_after_the_crash_of_another_says_what_it_promises() {
    let witnessed = Witnessed::new().await;
    consent_changes(&witnessed).await;
    let crashed = |entry: Entry| match entry {
        Entry::Head { position, .. } if position > 1 => Vec::new(),
        other => older(other),
    };
    witnessed.let_another_build_write(&crashed);
    witnessed.witness().await;
    assert_eq!(witnessed.files().len(), 1);
    assert_eq!(witnessed.promised().len(), 2);
    let told: Vec<i64> = witnessed.facts().iter().map(|fact| fact.position).collect();
    assert_eq!(told, [1, 2, 3]);
    let compared = witnessed.compared().await;
    assert_eq!((compared.heads, compared.finding), (2, None));
    lifted(&witnessed).await;
    witnessed.witness().await;
    assert_eq!(witnessed.files().len(), 1);
}

#[tokio::test]
async fn a_promised_fact_that_is_missing_or_said_otherwise_is_found() {
    let witnessed = Witnessed::new().await;
    consent_changes(&witnessed).await;
    let differs = |position| {
        Some(Finding {
            position,
            through: position,
            code: Defect::WitnessFactDiffers,
        })
    };
    let file = witnessed.files().remove(0);
    let own = fs::read(&file).unwrap();
    witnessed.let_another_build_write(&|entry| match entry {
        Entry::Fact(fact) if fact.position == 2 => Vec::new(),
        other => vec![other],
    });
    assert_eq!(witnessed.compared().await.finding, differs(2));
    fs::write(&file, &own).unwrap();
    let changes: [fn(&mut Fact); 4] = [
        |fact| fact.method = Some("page".to_owned()),
        |fact| fact.scope = Some("address".to_owned()),
        |fact| fact.event_id = Uuid::nil(),
        |fact| fact.event_type = "suppression.Added".to_owned(),
    ];
    for change in changes {
        witnessed.let_another_build_write(&|mut entry| {
            if let Entry::Fact(fact) = &mut entry
                && fact.position == 2
            {
                change(fact);
            }
            vec![entry]
        });
        assert_eq!(witnessed.compared().await.finding, differs(2));
        fs::write(&file, &own).unwrap();
    }
    assert_eq!(witnessed.compared().await.finding, None);
}

#[tokio::test]
async fn a_restore_to_before_the_oldest_file_that_is_kept_is_no_difference() {
    let mut witnessed = Witnessed::new().await;
    witnessed.folder = Folder::with_files_of(witnessed.folder.path(), 1_200);
    for _ in 0..6 {
        witnessed
            .commit(vec![witnessed.left(witnessed.platform.ids.next())])
            .await;
        witnessed.witness().await;
    }
    let files = witnessed.files();
    assert!(files.len() > 2, "{files:?}");
    for file in &files[..files.len() - 1] {
        fs::remove_file(file).unwrap();
    }
    let client = witnessed.platform.pool.get().await.unwrap();
    client
        .batch_execute(
            "delete from publishing_events where position > 1; \
             delete from publishing_batches where last_position > 1; \
             insert into publishing_incarnations values (gen_random_uuid(), 2, 1, clock_timestamp(), 1)",
        )
        .await
        .unwrap();
    lifted(&witnessed).await;
    witnessed.witness().await;
    let report = witnessed.report().unwrap();
    assert!(report.begins_at_line > 1, "{report:?}");
    assert_eq!((report.position, report.given_up[0].after), (2, 1));
    let compared = witnessed.compared().await;
    assert_eq!((compared.heads, compared.finding), (1, None));
}
