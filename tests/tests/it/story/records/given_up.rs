//! What stands of an address that somebody gave up for another: it is on record that they have it no more, and what spoke
//! against writing to it is not left behind.

use std::time::Duration;

use tidings_domain::subscriber::{Profile, Standing};
use tidings_domain::suppression::{Command, Reason, Scope, Suppression};
use tidings_domain::token::PreferencesLink;
use tidings_event_store::Store;
use time::macros::date;

use super::super::erased::import;
use super::moved::{NEW, OLD, holder, move_to, reasons, standing, suppression_id};
use super::*;

async fn add(house: &House, email: &str, reason: Reason) {
    add_by(&house.platform.store, house, email, reason).await;
}

async fn add_by(store: &Store, house: &House, email: &str, reason: Reason) {
    let command = || Command::Add {
        scope: Scope::Address,
        reason,
        delivery_id: None,
        value: None,
    };
    let context = house.context();
    let id = suppression_id(house, email);
    let added = store.execute::<Suppression>(id, &context, None, command);
    added.await.unwrap();
}

#[actix_web::test]
async fn no_file_that_holds_it_writes_to_who_has_moved_or_left() {
    let house = House::start().await;
    let ada = house.subscriber(OLD).await;
    house.unsubscribe(ada).await;
    assert_eq!(move_to(&house, ada, NEW).await.0, 200);
    assert_eq!(reasons(&house, OLD).await, [Reason::Moved]);
    let listed = get(&house, "/api/v1/suppressions?reason=moved").await;
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{listed}");
    assert_eq!(items[0]["reasons"], json!(["moved"]));

    // In a line that could be taken, and in one that could not be.
    let file = format!("email,name\n{OLD},Ada\n{OLD}\n{NEW},Ada\n");
    let import = import(&house, "again", file).await;
    let counts = (&import["accepted"], &import["existing"]);
    assert_eq!(counts, (&json!(0), &json!(1)), "{import}");
    let rejections = import["rejections"]["items"].as_array().unwrap();
    let why = rejections.iter().map(|it| it["reason"].as_str().unwrap());
    assert_eq!(why.collect::<Vec<_>>(), ["moved", "wrong_field_count"]);
    assert!(
        rejections.iter().all(|it| it["record"].is_null()),
        "{import}"
    );
    let channel = house.email_channel().await;
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    for email in [OLD, NEW] {
        assert_eq!(house.smtp.by_recipient(email).len(), 0, "{email}");
    }

    // Whoever has it by now signs up.
    let other = sign_up(&house, json!({ "email": OLD })).await;
    assert_eq!(
        (holder(&house, OLD).await, reasons(&house, OLD).await),
        (Some(other), vec![])
    );
    house.publish("More", "It still runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.smtp.by_recipient(OLD).len(), 1);
    // An operator who knows better may say so.
    let lift = format!("/api/v1/suppressions/{}/lift", suppression_id(&house, OLD));
    let lift = TestRequest::post().uri(&lift);
    let lifted = say(&house, lift.set_json(json!({ "reasons": ["moved"] }))).await;
    assert_eq!(lifted.0, 200, "{}", lifted.1);
    assert_eq!(reasons(&house, OLD).await, []);
}

#[actix_web::test]
async fn a_new_address_is_no_way_round_what_stands_against_the_old_one() {
    let house = House::start().await;
    for reason in Reason::ALL {
        let old = format!("{reason}@example.org");
        let ada = house.subscriber(&old).await;
        add(&house, &old, *reason).await;
        let before = events(&house).await.len();
        let (status, answer) = move_to(&house, ada, &format!("{reason}@example.net")).await;
        if matches!(reason, Reason::HardBounce | Reason::Erased | Reason::Moved) {
            assert_eq!(status, 200, "{answer}");
            let mut both = vec![*reason, Reason::Moved];
            both.dedup();
            assert_eq!(reasons(&house, &old).await, both);
            continue;
        }
        assert_eq!(status, 409, "{reason}: {answer}");
        assert_eq!(answer["errors"][0]["pointer"], "#/email");
        let detail = answer["detail"].as_str().unwrap();
        assert!(
            detail.contains(reason.as_str()) && detail.contains("/lift"),
            "{detail}"
        );
        assert_eq!(events(&house).await.len(), before, "nothing is written");
    }
}

/// The lock that commits take one after the other (`schema/migrations/0002_commit.sql`).
const COMMIT_LOCK: i64 = 7_310_575_178_592_774_515;

/// Until so many commits wait for their turn.
async fn in_line(house: &House, commits: i64) {
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 1 and not granted \
                   and (classid::bigint << 32 | objid::bigint) = $1 \
                   and database = (select oid from pg_database where datname = current_database())";
    let client = house.platform.pool.get().await.unwrap();
    let looking = async {
        loop {
            let row = client.query_one(waiting, &[&COMMIT_LOCK]).await.unwrap();
            if row.get::<_, i64>(0) >= commits {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), looking).await;
    assert!(found.is_ok(), "{commits} commits should wait");
}

/// Both have been decided on by a log that holds neither, and are recorded in that order. Gives what the change was answered.
async fn racing(house: &House, complaint_first: bool) -> (u16, Value) {
    let ada = house.subscriber(OLD).await;
    let holder = house.platform.pool.get().await.unwrap();
    let lock = "select pg_advisory_lock($1)";
    holder.execute(lock, &[&COMMIT_LOCK]).await.unwrap();
    // Of another process, so that both stand in line at once.
    let other = house.platform.another_store(house.platform.connect.clone());
    let complaint = async {
        in_line(house, i64::from(!complaint_first)).await;
        add_by(&other, house, OLD, Reason::Complaint).await;
    };
    let change = async {
        in_line(house, i64::from(complaint_first)).await;
        let request = patch(ada, &json!({ "email": NEW }));
        ask(house, house_commands(house), request).await
    };
    let turn = async {
        in_line(house, 2).await;
        let unlock = "select pg_advisory_unlock($1)";
        holder.execute(unlock, &[&COMMIT_LOCK]).await.unwrap();
    };
    tokio::join!(complaint, change, turn).1
}

#[actix_web::test]
async fn a_complaint_that_comes_while_the_address_is_changed_is_not_left_behind() {
    let house = House::start().await;
    let (status, answer) = racing(&house, true).await;
    assert_eq!(status, 409, "{answer}");
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("complaint"), "{detail}");
    assert_eq!(reasons(&house, OLD).await, [Reason::Complaint]);
    assert_eq!(holder(&house, NEW).await, None);

    let house = House::start().await;
    let (status, answer) = racing(&house, false).await;
    assert_eq!(status, 200, "{answer}");
    let both = [Reason::Moved, Reason::Complaint];
    assert_eq!(reasons(&house, OLD).await, both);
    assert_eq!(reasons(&house, NEW).await, []);
}

#[actix_web::test]
async fn a_link_to_an_address_that_the_log_does_not_know_they_had_only_leaves() {
    let house = House::start().await;
    // As after a restore that has lost the change to the new address.
    let ada = house.subscriber(OLD).await;
    let link = PreferencesLink {
        subscriber_id: ada,
        delivery_id: None,
        address_suppression_id: suppression_id(&house, NEW),
        issued: date!(2026 - 03 - 02),
    };
    let path = format!("/p/{}", link.sign(house.link_keys.current()));
    let post = |form: &'static str| TestRequest::post().uri(&path).set_payload(form);
    assert_eq!(say(&house, post("do=leave")).await.0, 200);
    assert_eq!(standing(&house, ada).await, Standing::Unsubscribed);
    assert_eq!(say(&house, post("do=back")).await.0, 410);
    assert_eq!(
        say(&house, post("do=save&language=x-&hour=99")).await.0,
        410
    );
    assert_eq!(standing(&house, ada).await, Standing::Unsubscribed);
}

#[actix_web::test]
async fn who_has_moved_as_often_as_one_can_is_erased_all_the_same() {
    let house = House::start().await;
    let ada = house.subscriber(OLD).await;
    let address = |n: usize| format!("ada{n}@example.net");
    for n in 0..Profile::FORMER_MAX {
        let request = patch(ada, &json!({ "email": address(n) }));
        let (status, answer) = ask(&house, house_commands(&house), request).await;
        assert_eq!(status, 200, "{n}: {answer}");
    }
    let (status, answer) = move_to(&house, ada, "one.more@example.net").await;
    assert_eq!(status, 409, "{answer}");
    assert_eq!(answer["errors"][0]["pointer"], "#/email", "{answer}");
    let erase = format!("/api/v1/subscribers/{ada}/erase");
    assert_eq!(say(&house, TestRequest::post().uri(&erase)).await.0, 202);
    assert_eq!(standing(&house, ada).await, Standing::Erased);
    for n in [0, Profile::FORMER_MAX - 2] {
        let stands = reasons(&house, &address(n)).await;
        assert_eq!(stands, [Reason::Moved, Reason::Erased], "{n}");
    }
    let last = address(Profile::FORMER_MAX - 1);
    assert_eq!(reasons(&house, &last).await, [Reason::Erased]);
}
