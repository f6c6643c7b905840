//! Mail that a mail server delivers into a folder: what it says is on record, and what is understood does not stay.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tidings_command_api::inbound::maildir::{Maildir, MaildirError, Swept};
use tidings_domain::token::LinkKeys;
use tidings_event_store::session::connect_plain;
use tidings_tests::house::House;

use super::bounced::{
    ADA, COMPLAINT, GRACE, POSTFIX, channel, delivery, events, house_commands, mail_to, report,
};
use super::commands;

/// A folder as a mail server makes it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["cur", "new", "tmp"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[actix_web::test]
async fn what_is_understood_is_on_record_and_gone_and_the_rest_waits_for_a_person() {
    let house = House::start().await;
    let (ada, _) = (house.subscriber(ADA).await, house.subscriber(GRACE).await);
    let channel = channel(&house).await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let written = events(&house).await.len();

    let folder = folder();
    let new = folder.path().join("new");
    let (path, mail) = mail_to(&house, ADA);
    // As long as some servers return them.
    let long = format!("{mail}{}", "x".repeat(76).repeat(20_000));
    fs::write(new.join("1.bounce"), report(POSTFIX, &path, ADA, &long)).unwrap();
    let (_, graces) = mail_to(&house, GRACE);
    let (_, token) = graces.split_once("/u/").unwrap();
    let token: String = token.chars().take_while(|it| *it != '>').collect();
    let leave = format!("From: grace@example.org\r\nSubject: unsubscribe {token}\r\n\r\n");
    fs::write(new.join("2.leave"), leave).unwrap();
    fs::write(new.join("3.other"), "Subject: lunch?\r\n\r\nAt noon.\r\n").unwrap();
    fs::create_dir(new.join("4.folder")).unwrap();

    let commands = Arc::new(house_commands(&house));
    let maildir = Maildir::open(commands, folder.path().into()).unwrap();
    let swept = Swept {
        taken: 2,
        left: 1,
        failed: 0,
    };
    assert_eq!(maildir.step().await.unwrap(), swept);
    assert_eq!(
        events(&house).await[written..],
        [
            "delivery.Bounced",
            "suppression.Added",
            "subscriber.Unsubscribed"
        ]
    );
    assert_eq!(names(&new), ["4.folder"]);
    assert_eq!(names(&folder.path().join("cur")), ["3.other:2,"]);
    house.platform.settle().await;
    assert_eq!(
        delivery(&house, id, ada).await["feedback"],
        json!("bounced")
    );
    assert_eq!(maildir.step().await.unwrap(), Swept::default());
}

#[actix_web::test]
async fn while_the_log_is_away_the_mail_stays_where_it_is() {
    let house = House::start().await;
    house.subscriber(ADA).await;
    let channel = channel(&house).await;
    house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let folder = folder();
    let (path, mail) = mail_to(&house, ADA);
    let bounce = folder.path().join("new/1.bounce");
    fs::write(&bounce, report(POSTFIX, &path, ADA, &mail)).unwrap();

    let mut nowhere = tokio_postgres::Config::new();
    nowhere.host_path(folder.path()).user("nobody");
    let mut commands = commands::commands(
        &house.platform,
        house.id_key.clone(),
        LinkKeys::clone(&house.link_keys),
    );
    commands.store = house.platform.another_store(connect_plain(nowhere));
    let away = Maildir::open(Arc::new(commands), folder.path().into()).unwrap();
    let error = away.step().await.unwrap_err();
    assert!(matches!(error, MaildirError::Away), "{error}");
    assert!(bounce.exists());

    let commands = Arc::new(house_commands(&house));
    let back = Maildir::open(commands, folder.path().into()).unwrap();
    assert_eq!(back.step().await.unwrap().taken, 1);
}

#[actix_web::test]
async fn a_mail_that_cannot_be_moved_holds_up_no_other_and_is_tried_again() {
    let house = House::start().await;
    house.subscriber(GRACE).await;
    let channel = channel(&house).await;
    house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let folder = folder();
    let (new, cur) = (folder.path().join("new"), folder.path().join("cur"));
    fs::write(new.join("1.other"), "Subject: lunch?\r\n\r\nAt noon.\r\n").unwrap();
    // Something else has its place.
    fs::create_dir(cur.join("1.other:2,")).unwrap();
    let (_, mail) = mail_to(&house, GRACE);
    let complaint = report(COMPLAINT, "", GRACE, &mail);
    fs::write(new.join("2.complaint"), complaint).unwrap();

    let commands = Arc::new(house_commands(&house));
    let maildir = Maildir::open(commands, folder.path().into()).unwrap();
    let swept = |taken, left, failed| Swept {
        taken,
        left,
        failed,
    };
    assert_eq!(maildir.step().await.unwrap(), swept(1, 0, 1));
    assert_eq!(names(&new), ["1.other"]);
    fs::remove_dir(cur.join("1.other:2,")).unwrap();
    assert_eq!(maildir.step().await.unwrap(), swept(0, 1, 0));
    assert_eq!(names(&cur), ["1.other:2,"]);
}

#[actix_web::test]
async fn a_folder_that_is_no_maildir_is_said_to_be_none() {
    let house = House::start_without_delivery().await;
    let folder = tempfile::tempdir().unwrap();
    let commands = Arc::new(house_commands(&house));
    let error = Maildir::open(commands, folder.path().into()).err().unwrap();
    let place = folder.path().display();
    assert_eq!(
        error.to_string(),
        format!("{place} is no Maildir that mail can be taken out of (it needs new/ and cur/)")
    );
}
