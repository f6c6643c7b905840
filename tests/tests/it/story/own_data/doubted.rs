//! The connection breaks just when something goes on record: it is done once, and whoever asked is told so.

use std::iter::{once, repeat_n};

use tidings_domain::subscriber::{self, Subscriber, UnsubscribeMethod, What};
use tidings_event_store::Store;
use tidings_tests::{Cut, Proxy};

use super::*;

/// More than any caller waits for.
const CUTS: usize = 100_000;

/// What a process answers whose commit is taken, and who hears nothing more of it before its patience ends.
async fn unheard(office: &Office, request: TestRequest) -> (u16, String) {
    let platform = &office.house.platform;
    let proxy = Proxy::before(&platform.database_url);
    let mut commands = commands_with(office, make(office));
    commands.store = platform.another_store(proxy.connect());
    connect(office, &commands.store).await;
    let cuts = once(Cut::Reply).chain(repeat_n(Cut::Request, CUTS));
    proxy.cut(cuts);
    let commands = web::Data::new(commands);
    let answer = answers(office, &commands, vec![request]).await.remove(0);
    let answer = text(answer).await;
    assert!(proxy.cuts_left() < CUTS, "the answer was cut off");
    office.settle().await;
    answer
}

/// Has the process hold its connection to the log: what comes next is one request.
async fn connect(office: &Office, store: &Store) {
    let grace = office.house.subscriber("grace@example.org").await;
    let leave = || subscriber::Command::Unsubscribe {
        method: UnsubscribeMethod::Page,
        delivery_id: None,
        evidence: None,
        what: What::Everything,
    };
    let context = office.house.context();
    let left = store.execute::<Subscriber>(grace, &context, None, leave);
    left.await.unwrap();
}

#[actix_web::test]
async fn a_link_whose_record_nobody_heard_of_is_sent_once() {
    let (office, _) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    let path = format!("{}/own-data", page(&office, ada, ADA));
    let (status, said) = unheard(&office, TestRequest::post().uri(&path)).await;
    assert!(status == 200 && said.contains("on its way"), "{said}");
    assert_eq!(mails(&office, ADA).len(), 1);
}

#[actix_web::test]
async fn a_file_whose_record_nobody_heard_of_is_handed_out_and_counts_once() {
    let (office, _) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    asked(&office, ada, ADA).await;
    let link = last_link(&office, ADA);
    let (status, file) = unheard(&office, press(&link)).await;
    assert!(status == 200 && file.starts_with("PK"), "{file}");
    assert_eq!(handed_out(&office).await, 1);
}
