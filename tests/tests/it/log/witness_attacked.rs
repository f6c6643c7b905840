//! What an owner of the database, or of the witness's folder, could try, and how it is found.

use std::fs;

use tidings_event_store::audit::{Defect, Finding, verify};
use tidings_event_store::witness::{Keeper, SigningKey, WitnessError, check};
use tidings_tests::forger;

use super::witness::{Witnessed, caught_up, key};

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
        // The platform itself notices, signs nothing, and goes on committing.
        let lines = witnessed.report().unwrap().line;
        let refused = caught_up(&mut witnessed.keeper(), &witnessed.platform).await;
        assert!(
            matches!(refused, Err(WitnessError::Diverged { position: 8 })),
            "{refused:?}"
        );
        assert_eq!(witnessed.report().unwrap().line, lines);
        witnessed.platform.fill(1, 1).await;
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
