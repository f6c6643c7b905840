//! The end of what is kept: by age, by an erasure, and while hits come in.

use std::time::Duration;

use futures_util::future::join_all;
use tidings_dispatcher::queue::DispatchQueue;
use tidings_dispatcher::retention::Retention;
use tidings_domain::engagement_period::{CloseReason, Command, EngagementPeriod};
use tidings_event_store::view::{RebuildMode, RebuildOptions};
use tidings_event_store::{Progress, Store};
use tidings_projector::{Registered, VIEWS, rebuild};

use super::*;
use crate::story::held::{release, restored};
use crate::story::officer::{checked, holds};

const KEPT: u32 = 13;

impl Edition {
    fn store(&self) -> &Store {
        &self.office.house.platform.store
    }

    /// Every view comes to the rows that stand there, whatever keys were destroyed.
    async fn rebuilds_agree(&self) {
        let mut views = VIEWS.to_vec();
        views.push(Registered::of::<DispatchQueue>());
        let options = RebuildOptions::new(RebuildMode::Verify);
        let rebuilt = rebuild(self.store(), &views, &options, &mut |_| ()).await;
        for view in rebuilt.unwrap() {
            assert_eq!(view.differences, 0, "{}", view.view);
        }
    }

    /// The last moment at which a month is kept, and then the first at which it is not.
    fn until(&self, month: Month) -> [time::OffsetDateTime; 2] {
        let until = month.kept_until(KEPT);
        [until - Duration::from_secs(1), until]
    }

    async fn of_period(&self, month: Month) -> Vec<Recorded> {
        let log = self.store().log();
        let stream = stream_id::engagement_period(month);
        log.stream(stream).await.unwrap()
    }
}

#[actix_web::test]
async fn a_month_whose_time_is_over_is_closed_and_its_key_destroyed_and_counts_stay() {
    let edition = Edition::sent().await;
    edition.read().await;
    let (month, platform) = (month(&edition), &edition.office.house.platform);
    let key = stream_id::engagement_period(month);
    let counted = edition.engagement().await;
    let [still, over] = edition.until(month);
    platform.clock.set(still);
    edition.office.settle().await;
    assert!(edition.of_period(month).await.is_empty());
    assert!(
        edition
            .store()
            .vault()
            .shredded(&[key])
            .await
            .unwrap()
            .is_empty()
    );

    platform.clock.set(over);
    edition.office.settle().await;
    let events = edition.of_period(month).await;
    let types: Vec<&str> = events.iter().map(|it| it.event_type.as_str()).collect();
    assert_eq!(
        types,
        ["engagement_period.Closed", "engagement_period.Shredded"]
    );
    let shredded = edition.store().vault().shredded(&[key]).await.unwrap();
    assert_eq!(shredded, [(key, over)]);
    let periods = edition.periods().await;
    assert_eq!(
        (&periods[0]["state"], &periods[0]["kept_until"]),
        (&json!("shredded"), &Value::Null)
    );
    assert_eq!(
        (&periods[0]["opens"], &periods[0]["clicks"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(edition.engagement().await, counted);
    edition.rebuilds_agree().await;
    assert_eq!(edition.engagement().await, counted);

    let ada = edition.readers[0];
    let told = edition.office.timeline(ada).await;
    let told = told
        .iter()
        .filter(|it| it["type"].as_str().unwrap().starts_with("engagement."));
    let words: Vec<&str> = told.map(|it| it["words"].as_str().unwrap()).collect();
    assert_eq!(words.len(), 2);
    assert!(
        words.iter().all(|it| it.ends_with("no longer kept.")),
        "{words:?}"
    );
    let zip = edition.office.export(ada).await;
    checked(&zip, Some(edition.office.key().await)).unwrap();
    let files = unpacked(&zip);
    assert!(holds(&files, "no longer kept") && holds(&files, ADA));
    assert!(!holds(&files, "timetable") && !holds(&files, "Canary"));
    assert!(rows(&zip)[1].ends_with("\"reader\",\"false\",\"\",\"\""));
    a_late_hit(&edition).await;
}

/// The mail is read again, years later: that is of the month in which it happens.
async fn a_late_hit(edition: &Edition) {
    assert_eq!(
        fetch(&edition.office.house, &edition.mails[0].link, "Late/1")
            .await
            .0,
        302
    );
    edition.office.settle().await;
    let periods = edition.periods().await;
    let shown: Vec<_> = periods
        .iter()
        .map(|it| {
            (
                it["period"].as_str().unwrap(),
                it["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(shown, [("2027-05", "open"), ("2026-03", "shredded")]);
    let csv = rows(&edition.office.export(edition.readers[0]).await);
    let last = csv.last().unwrap();
    assert!(last.ends_with(&format!("\"{URL}\",\"Late/1\"")), "{last}");
    let page = edition
        .office
        .get("/api/v1/engagement/periods?limit=1")
        .await
        .1;
    let next = page["next"].as_str().unwrap();
    let rest = edition
        .office
        .get(&format!("/api/v1/engagement/periods?cursor={next}"))
        .await
        .1;
    assert_eq!(rest["items"], json!([periods[1]]));
    edition.rebuilds_agree().await;
}

#[actix_web::test]
async fn nothing_ends_while_sending_is_held_after_a_restore() {
    let edition = Edition::sent().await;
    edition.read().await;
    let month = month(&edition);
    let [_, over] = edition.until(month);
    let house = &edition.office.house;
    restored(house).await;
    house.platform.clock.set(over);
    edition.office.settle().await;
    assert!(edition.of_period(month).await.is_empty());
    release(house).await;
    edition.office.settle().await;
    assert_eq!(edition.of_period(month).await.len(), 2);
}

/// A restore destroys again what was destroyed, and the setting is a longer time by then: the month is over all the same, and
/// is never shown as kept.
#[actix_web::test]
async fn a_month_whose_key_is_destroyed_is_over_however_long_it_would_be_kept() {
    let edition = Edition::sent().await;
    edition.read().await;
    let month = month(&edition);
    let key = stream_id::engagement_period(month);
    let house = &edition.office.house;
    restored(house).await;
    let at = house.platform.clock.clock().now();
    edition.store().vault().shred(&[key], at).await.unwrap();
    edition.office.settle().await;
    assert!(edition.of_period(month).await.is_empty());
    let shown = edition.periods().await.remove(0);
    assert_eq!(
        (&shown["state"], &shown["kept_until"]),
        (&json!("shredded"), &Value::Null)
    );
    assert_eq!(shown["closed_at"], Value::Null);
    assert!(shown["shredded_at"].is_string(), "{shown}");

    release(house).await;
    edition.office.settle().await;
    assert_eq!(edition.of_period(month).await.len(), 2);
    let recorded = edition.periods().await.remove(0);
    assert_eq!(recorded["state"], json!("shredded"));
    assert!(recorded["closed_at"].is_string(), "{recorded}");
    edition.rebuilds_agree().await;
}

/// Two processes that find the same month, and one that died behind each step.
#[actix_web::test]
async fn whoever_ends_a_month_ends_it_once() {
    let edition = Edition::sent().await;
    edition.read().await;
    let month = month(&edition);
    let [_, over] = edition.until(month);
    let platform = &edition.office.house.platform;
    platform.clock.set(over);
    let of_another = |store| Retention::new(store, platform.clock.clock(), KEPT);
    let stores = [0, 1].map(|_| platform.another_store(platform.connect.clone()));
    let all = stores.map(of_another);
    let steps = join_all(all.iter().map(Retention::step)).await;
    let advanced = steps.into_iter().map(Result::unwrap);
    assert!(advanced.into_iter().any(|it| it == Progress::Advanced));
    assert_eq!(edition.of_period(month).await.len(), 2);
    // What the view has not folded yet is found once more.
    for retention in &all {
        assert_eq!(retention.step().await.unwrap(), Progress::Idle);
    }
    edition.office.settle().await;
    assert_eq!(edition.of_period(month).await.len(), 2);
}

/// Five hundred years ahead of the database's clock.
#[actix_web::test]
async fn a_clock_that_is_ahead_ends_no_month_for_which_the_log_is_too_early() {
    const CENTURIES: u32 = 500 * 12;
    let edition = Edition::sent().await;
    edition.read().await;
    let month = month(&edition);
    let platform = &edition.office.house.platform;
    edition.office.settle().await;
    platform.clock.set(month.kept_until(CENTURIES));
    let retention = || Retention::new(edition.store().clone(), platform.clock.clock(), CENTURIES);
    let heedful = retention().no_later_than_the_log();
    assert_eq!(heedful.step().await.unwrap(), Progress::Idle);
    assert_eq!(edition.of_period(month).await.len(), 0);
    // By that clock alone it is over.
    assert_eq!(retention().step().await.unwrap(), Progress::Advanced);
    assert_eq!(edition.of_period(month).await.len(), 2);
}

#[actix_web::test]
async fn a_month_that_was_closed_by_somebody_who_died_is_shredded() {
    let edition = Edition::sent().await;
    edition.read().await;
    let month = month(&edition);
    let [_, over] = edition.until(month);
    close(&edition, month).await;
    edition.office.settle().await;
    assert_eq!(edition.periods().await[0]["state"], "closed");
    let key = stream_id::engagement_period(month);
    let platform = &edition.office.house.platform;
    platform.clock.set(over);
    edition.store().vault().shred(&[key], over).await.unwrap();
    edition.office.settle().await;
    assert_eq!(edition.of_period(month).await.len(), 2);
    assert_eq!(edition.periods().await[0]["state"], "shredded");
}

async fn close(edition: &Edition, month: Month) {
    let context = edition.office.house.context();
    let id = stream_id::engagement_period(month);
    let close = || Command::Close {
        month,
        reason: CloseReason::Age,
    };
    let closed = edition
        .store()
        .execute::<EngagementPeriod>(id, &context, None, close);
    closed.await.unwrap();
}

/// Whatever comes first: no evidence stands behind the end of its month, and every hit is there.
#[actix_web::test]
async fn a_hit_that_races_the_end_of_its_month_is_on_record_without_evidence() {
    let edition = Edition::sent().await;
    let month = month(&edition);
    let house = &edition.office.house;
    let hits = join_all((0..30).map(|_| fetch(house, &edition.mails[0].link, BROWSER)));
    let (hits, ()) = tokio::join!(hits, close(&edition, month));
    assert!(hits.iter().all(|(status, ..)| *status == 302));
    fetch(house, &edition.mails[0].picture, BROWSER).await;
    let closed = edition.of_period(month).await[0].position;
    let recorded = edition.hits(0).await;
    assert_eq!(recorded.len(), 31);
    for hit in &recorded {
        let has_evidence = match hit.decode().unwrap() {
            Event::EngagementOpened(it) => it.evidence.is_some(),
            Event::EngagementClicked(it) => {
                assert_eq!(it.evidence.is_some(), it.link.is_some());
                it.evidence.is_some()
            }
            other => panic!("{}", other.event_type()),
        };
        assert_eq!(has_evidence, hit.position < closed, "at {}", hit.position);
    }
    edition.office.settle().await;
    assert_eq!(edition.engagement().await["clicks"], 30);
    edition.rebuilds_agree().await;
}

#[actix_web::test]
async fn what_was_counted_of_a_reader_stays_when_they_are_erased_and_nothing_is_added() {
    let edition = Edition::sent().await;
    edition.read().await;
    let [ada, grace] = edition.readers;
    let counted = edition.engagement().await;
    edition.office.erase(ada).await;
    assert_eq!(edition.engagement().await, counted);
    let [mail, _] = &edition.mails;
    let (status, to, _) = fetch(&edition.office.house, &mail.link, BROWSER).await;
    assert_eq!((status, to.as_deref()), (302, Some(URL)), "the way goes on");
    let (status, _, picture) = fetch(&edition.office.house, &mail.picture, BROWSER).await;
    assert!(status == 200 && picture.starts_with(b"GIF89a"));
    edition.office.settle().await;
    assert_eq!(edition.hits(0).await.len(), 2);
    assert_eq!(edition.engagement().await, counted);
    edition.rebuilds_agree().await;
    let files = unpacked(&edition.office.export(ada).await);
    assert!(holds(&files, "no longer kept"));
    assert!(!holds(&files, "timetable") && !holds(&files, "Canary"));
    // What is kept of others is.
    let csv = rows(&edition.office.export(grace).await);
    assert!(
        csv.last()
            .unwrap()
            .ends_with(&format!("\"{URL}\",\"{SCANNER}\"")),
        "{csv:?}"
    );
}
