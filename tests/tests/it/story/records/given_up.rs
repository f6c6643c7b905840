//! What stands of an address that somebody gave up for another: it is on record that they have it no more, and what spoke
//! against writing to it is not left behind.

use futures_util::future::join_all;
use tidings_domain::subscriber::Profile;
use tidings_domain::suppression::{Command, Scope};
use tidings_domain::token::PreferencesLink;

use super::super::erased::import;
use super::moved::{NEW, OLD, holder, move_to, reasons, standing, suppression_id};
use super::*;
use tidings_domain::subscriber::Standing;
use tidings_domain::suppression::{Reason, Suppression};
use time::macros::date;

async fn add(house: &House, email: &str, reason: Reason) {
    let command = || Command::Add {
        scope: Scope::Address,
        reason,
        delivery_id: None,
        value: None,
    };
    let (store, context) = (&house.platform.store, house.context());
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
    let lift = format!("/api/v1/suppressions/{}/lift", suppression_id(&house, OLD));
    let lift = TestRequest::post().uri(&lift);
    let lifted = say(&house, lift.set_json(json!({ "reasons": ["moved"] }))).await;
    assert_eq!(lifted.0, 422, "{}", lifted.1);

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

/// What comes in while the address is changed is before the change, which then is refused, or after it.
#[actix_web::test]
async fn racing_a_change_nothing_that_speaks_against_the_old_address_is_overlooked() {
    const READERS: usize = 100;
    let house = House::start().await;
    let old = |n: usize| format!("reader{n}@example.org");
    let mut readers = Vec::new();
    for n in 0..READERS {
        readers.push(house.subscriber(&old(n)).await);
    }
    let (house, readers) = (&house, &readers);
    let both = join_all((0..READERS).map(|n| async move {
        let email = format!("reader{n}@example.net");
        let request = patch(readers[n], &json!({ "email": email }));
        let moved = ask(house, house_commands(house), request);
        let old = old(n);
        let ((status, _), ()) = tokio::join!(moved, add(house, &old, Reason::Complaint));
        status
    }));
    let statuses = both.await;
    house.platform.settle().await;
    let log = house
        .platform
        .store
        .log()
        .page_after(0, 100_000)
        .await
        .unwrap();
    let first = |stream: Uuid, event_type: &str| {
        let mut of = log.iter().filter(|it| it.stream_id == stream);
        of.find(|it| it.event_type == event_type)
            .map(|it| it.position)
    };
    for (n, status) in statuses.iter().enumerate() {
        let stream = suppression_id(house, &old(n));
        let changed = first(readers[n], "subscriber.ContactChanged");
        assert_eq!(changed.is_some(), *status == 200, "reader {n}: {status}");
        let against = log.iter().filter(|it| it.stream_id == stream).count();
        assert_eq!(against, 1 + usize::from(changed.is_some()), "reader {n}");
        let stands = reasons(house, &old(n)).await;
        let expected: &[Reason] = match changed {
            Some(_) => &[Reason::Moved, Reason::Complaint],
            None => &[Reason::Complaint],
        };
        assert_eq!(stands, expected, "reader {n}");
    }
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
