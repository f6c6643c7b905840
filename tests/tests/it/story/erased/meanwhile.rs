//! Erasures beside what is under way: a send, an attempt, a file, a rebuild.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::header;
use actix_web::test::TestRequest;
use actix_web::web::{self, ServiceConfig};
use serde_json::json;
use tidings_dispatcher::erasure::Eraser;
use tidings_event_store::Progress;
use tidings_event_store::receipt::{Erasure, erasure};
use tidings_projector::Projector;
use tidings_sinks::smtp::{Action, Phase, Rule};
use tidings_tests::api;
use tidings_tests::house::House;
use uuid::Uuid;

use super::{CANARY, GRACE, erase, get, post, tables_with};
use crate::story::bounced::{ask, events, house_commands};
use crate::story::later_build::says_more;

/// Brings the views to the log's end, and nobody else.
async fn views_hear(house: &House) {
    let platform = &house.platform;
    let mut projector = Projector::new(&platform.store, &platform.feed);
    platform.relay().await;
    let head = platform.store.log().head().await.unwrap().position;
    platform.feed.reached(head).await;
    while projector.step().await.unwrap() == Progress::Advanced {}
}

/// A file that came before the request is waited for; meanwhile the key is gone already.
#[actix_web::test]
async fn an_erasure_is_not_done_before_the_files_that_may_name_them_are() {
    let house = House::start().await;
    let canary = house.subscriber(CANARY).await;
    house.platform.settle().await;
    let request = TestRequest::post()
        .uri("/api/v1/imports")
        .insert_header((header::CONTENT_TYPE, "text/csv"))
        .set_payload(format!("email\n{CANARY}\n"));
    let (status, _) = ask(&house, house_commands(&house), request).await;
    assert_eq!(status, 202);
    erase(&house, canary).await;
    let eraser = Eraser::new(house.platform.store.clone(), house.platform.clock.clock());
    // The views hear of it; the import does not move yet.
    let platform = &house.platform;
    views_hear(&house).await;
    assert_eq!(eraser.step().await.unwrap(), Progress::Idle);
    let shredded = platform.store.vault().shredded(&[canary]).await.unwrap();
    assert_eq!(shredded.len(), 1, "the key is destroyed at once");
    let waits_for = eraser.waiting().obstacle(canary).unwrap();
    assert!(waits_for.starts_with("import "), "{waits_for}");
    assert_eq!(eraser.waiting().count(), 1);
    let under_way = erasure(&platform.store, canary).await.unwrap();
    assert!(matches!(under_way, Erasure::Requested { .. }));
    platform.settle().await;
    let done = erasure(&platform.store, canary).await.unwrap();
    assert!(matches!(done, Erasure::Erased(_)));
    assert_eq!(eraser.step().await.unwrap(), Progress::Idle);
    assert_eq!(eraser.waiting().count(), 0);
    assert_eq!(tables_with(&house, "canary").await, Vec::<String>::new());
}

/// Whoever asked before such a file came is not in it, so only who asked since waits for it.
#[actix_web::test]
async fn a_file_that_nobody_here_can_read_keeps_waiting_whom_it_may_name() {
    let house = House::start().await;
    let before = house.subscriber(CANARY).await;
    let since = house.subscriber(GRACE).await;
    house.platform.settle().await;
    erase(&house, before).await;
    let request = TestRequest::post()
        .uri("/api/v1/imports")
        .insert_header((header::CONTENT_TYPE, "text/csv"))
        .set_payload("email\nedsger@example.org\n");
    let (status, started) = ask(&house, house_commands(&house), request).await;
    assert_eq!(status, 202);
    erase(&house, since).await;
    let import = started["id"].as_str().unwrap().parse().unwrap();
    let said = says_more(&house, import, "subscriber_import.ChunkApplied").await;
    views_hear(&house).await;
    // Somebody's build has to fold it, or everybody waits for the view.
    let skip = json!({ "position": said, "reason": "of a later build" });
    let path = "/api/v1/views/import_rejections/skip";
    assert_eq!(post(&house, path, skip).await.0, 200);
    views_hear(&house).await;
    let eraser = Eraser::new(house.platform.store.clone(), house.platform.clock.clock());
    assert_eq!(eraser.step().await.unwrap(), Progress::Advanced);
    let of = async |id| erasure(&house.platform.store, id).await.unwrap();
    assert!(matches!(of(before).await, Erasure::Erased(_)));
    assert!(matches!(of(since).await, Erasure::Requested { .. }));
    assert_eq!(eraser.step().await.unwrap(), Progress::Idle);
}

/// Whoever erases finds the request in a view. While that has stopped, nobody says that nothing is in the way.
#[actix_web::test]
async fn an_erasure_that_a_view_has_not_come_to_says_so() {
    let house = House::start().await;
    let canary = house.subscriber(CANARY).await;
    let grace = house.subscriber(GRACE).await;
    house.platform.settle().await;
    let other = house.subscriber("edsger@example.org").await;
    house.platform.settle().await;
    let waits_for = async |id: Uuid| {
        let path = format!("/api/v1/subscribers/{id}/erasure");
        let (status, under_way) = get(&house, &path).await;
        assert_eq!(status, 202, "{under_way}");
        under_way["waits_for"].clone()
    };
    let behind = json!("the view subscriber_profile has not come to the request yet");
    erase(&house, grace).await;
    assert_eq!(waits_for(grace).await, behind);
    views_hear(&house).await;
    assert_eq!(waits_for(grace).await, json!(null), "it is heard of");
    says_more(&house, other, "subscriber.PreferencesChanged").await;
    erase(&house, canary).await;
    house.platform.settle().await;
    assert_eq!(waits_for(canary).await, behind, "the view has stopped");
    let vault = house.platform.store.vault();
    assert!(vault.shredded(&[canary]).await.unwrap().is_empty());
}

/// What stands in everybody's way stands in each one's.
#[actix_web::test]
async fn an_eraser_that_can_do_nothing_at_all_says_so_of_everybody() {
    let house = House::start().await;
    let canary = house.subscriber(CANARY).await;
    house.platform.settle().await;
    erase(&house, canary).await;
    views_hear(&house).await;
    let client = house.platform.pool.get().await.unwrap();
    let renamed = async |from: &str, to: &str| {
        let sql = format!("alter table {from} rename to {to}");
        client.batch_execute(&sql).await.unwrap();
    };
    let eraser = Eraser::new(house.platform.store.clone(), house.platform.clock.clock());
    renamed("publishing_import_chunks", "elsewhere").await;
    assert!(eraser.step().await.is_err());
    let waits_for = eraser.waiting().obstacle(canary);
    assert!(waits_for.unwrap().starts_with("the last try failed"));
    assert_eq!(eraser.waiting().count(), 1);
    renamed("elsewhere", "publishing_import_chunks").await;
    assert_eq!(eraser.step().await.unwrap(), Progress::Advanced);
    assert_eq!(eraser.waiting().count(), 0);
}

/// A mail on its way has the address in it: the erasure is not done before its outcome is known.
#[actix_web::test]
async fn an_erasure_is_not_done_while_an_attempt_is_under_way() {
    let house = House::start().await;
    let canary = house.subscriber(CANARY).await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let stall = Rule::new(Phase::FinalDot, Action::Stall).recorded();
    let stall = house.smtp.add_rule(stall);
    house.publish("The ferry", "It runs.", &[channel]).await;
    let erasing = async {
        house.smtp.wait_for_hits(stall, 1).await;
        erase(&house, canary).await;
        views_hear(&house).await;
        let eraser = Eraser::new(house.platform.store.clone(), house.platform.clock.clock());
        assert_eq!(eraser.step().await.unwrap(), Progress::Idle);
        let events = events(&house).await;
        assert!(
            !events.contains(&"delivery.Sent".to_owned()),
            "it was too late: {events:?}"
        );
        house.smtp.remove_rule(stall);
        house.smtp.release();
    };
    // The dispatcher waits for the answer to its mail all the while.
    tokio::join!(house.platform.settle(), erasing);
    house.platform.settle().await;
    let events = events(&house).await;
    let at = |event_type: &str| events.iter().position(|it| it == event_type).unwrap();
    assert!(
        at("subscriber.ErasureRequested") < at("delivery.Sent"),
        "{events:?}"
    );
    assert!(at("delivery.Sent") < at("subscriber.Erased"), "{events:?}");
}

/// What an interrupted rebuild has staged holds addresses: it goes too.
#[actix_web::test]
async fn what_an_interrupted_rebuild_has_staged_goes_with_them() {
    let house = House::start().await;
    let canary = house.subscriber(CANARY).await;
    house.platform.settle().await;
    let client = house.platform.pool.get().await.unwrap();
    let generation = "select generation from publishing_views where view = 'subscriber_profile'";
    let next: i32 = client
        .query_one(generation, &[])
        .await
        .unwrap()
        .get::<_, i32>(0)
        + 1;
    let staged = format!("publishing_subscriber_profile_g{next}_runs");
    let stage =
        format!("create unlogged table {staged} as select * from publishing_subscriber_profile");
    client.batch_execute(&stage).await.unwrap();
    assert_eq!(tables_with(&house, "canary").await.len(), 2);
    // As long as a rebuild is at work on it, it is waited for.
    let lock = "select pg_advisory_lock(hashtext('subscriber_profile'))";
    client.batch_execute(lock).await.unwrap();
    erase(&house, canary).await;
    house.platform.settle().await;
    assert!(
        tables_with(&house, "canary")
            .await
            .contains(&format!("public.{staged}"))
    );
    client
        .batch_execute("select pg_advisory_unlock_all()")
        .await
        .unwrap();
    house.platform.settle().await;
    assert_eq!(tables_with(&house, "canary").await, Vec::<String>::new());
}

/// Two hundred are erased while a publication goes out to them.
#[actix_web::test]
async fn racing_a_running_send_no_attempt_stands_after_an_erasure() {
    const READERS: usize = 200;
    let house = House::start().await;
    let mut readers = Vec::new();
    for n in 0..READERS {
        readers.push(house.subscriber(&format!("reader{n}@example.org")).await);
    }
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let slow = Action::Delay(Duration::from_millis(50));
    house.smtp.add_rule(Rule::new(Phase::RcptTo, slow));
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    let erasing = async {
        // Not before the first mail is out, then as fast as the log takes it.
        house.smtp.wait_for(1).await;
        let erase = |id: &Uuid| {
            let path = format!("/api/v1/subscribers/{id}/erase");
            TestRequest::post().uri(&path)
        };
        let commands = house_commands(&house);
        let rooms = |cfg: &mut ServiceConfig| {
            cfg.app_data(web::Data::new(commands));
            tidings_command_api::routes(cfg);
        };
        let requests = readers.iter().rev().map(erase).collect();
        let answers = api::ask_all(&house.platform, rooms, requests).await;
        assert!(answers.iter().all(|(status, _)| *status == 202));
    };
    tokio::join!(house.platform.settle(), erasing);
    house.platform.settle().await;

    let accounting = house.accounting(id).await;
    assert_eq!(accounting.planned, READERS as i64);
    assert!(
        accounting.balances() && accounting.pending == 0,
        "{accounting:?}"
    );
    assert!(
        accounting.sent > 0 && accounting.suppressed > 0,
        "{accounting:?}"
    );
    assert_eq!(house.smtp.count() as i64, accounting.sent);
    let log = house.platform.store.log();
    let events = log.page_after(0, 100_000).await.unwrap();
    let of = |event_type: &'static str| events.iter().filter(move |it| it.event_type == event_type);
    let requested: HashMap<Uuid, i64> = of("subscriber.ErasureRequested")
        .map(|it| (it.stream_id, it.position))
        .collect();
    let receivers: HashMap<Uuid, Uuid> = of("delivery.Planned")
        .filter_map(|it| Some((it.stream_id, it.subject?)))
        .collect();
    for attempted in of("delivery.Attempted") {
        let erased = requested[&receivers[&attempted.stream_id]];
        assert!(
            attempted.position < erased,
            "{} after {erased}",
            attempted.position
        );
    }
    assert_eq!(of("subscriber.Erased").count(), READERS);
}
