//! To whom nothing is sent or handed out, also when that comes to be so at the last moment.

use std::sync::Arc;

use serde_json::json;
use tidings_domain::subscriber::{self, Subscriber};
use tidings_domain::suppression::{self, Reason, Scope, Suppression};

use super::super::bounced::{ask, house_commands};
use super::super::held::{release, restored};
use super::*;

const NEW: &str = "ada@example.net";

async fn suppress(office: &Office, stream: Uuid, scope: Scope) {
    let context = office.house.context();
    let command = || suppression::Command::Add {
        scope,
        reason: Reason::Manual,
        delivery_id: None,
        value: None,
    };
    let store = &office.house.platform.store;
    store
        .execute::<Suppression>(stream, &context, None, command)
        .await
        .unwrap();
}

async fn move_to(office: &Office, id: Uuid, email: &str) {
    let path = format!("/api/v1/subscribers/{id}");
    let request = TestRequest::patch().uri(&path);
    let request = request.set_json(json!({ "email": email }));
    let (status, answer) = ask(&office.house, house_commands(&office.house), request).await;
    assert_eq!(status, 200, "{answer}");
    office.settle().await;
}

/// How many notices of this kind there were.
async fn issued(office: &Office) -> usize {
    let events = events(office).await;
    let own = |event: &&(String, Event)| matches!(&event.1, Event::AccessNoticeIssued(it) if it.kind == "own_data");
    events.iter().filter(own).count()
}

#[actix_web::test]
async fn nothing_is_promised_that_does_not_come() {
    let office = Office::open().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    let (status, page) = asked(&office, ada, ADA).await;
    assert!(
        status == 503 && !page.contains("on its way"),
        "no channel: {page}"
    );
    office.house.email_channel().await;
    office.settle().await;
    suppress(&office, suppression_id(&office, ADA), Scope::Address).await;
    let (status, page) = asked(&office, ada, ADA).await;
    assert!(status == 409 && page.contains(CONTACT), "{page}");
    let bob = office.house.subscriber("bob@example.com").await;
    office.settle().await;
    let domain = EmailAddress::parse("bob@example.com").unwrap();
    let domain = stream_id::domain_suppression(&office.house.id_key, domain.domain());
    suppress(&office, domain, Scope::Domain).await;
    assert_eq!(asked(&office, bob, "bob@example.com").await.0, 409);
    assert_eq!((issued(&office).await, office.house.smtp.count()), (0, 0));
}

#[actix_web::test]
async fn a_suppression_that_comes_before_the_mail_keeps_it_back() {
    let (office, channel) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    let path = format!("{}/own-data", page(&office, ada, ADA));
    assert_eq!(
        visit(&office, TestRequest::post().uri(&path))
            .await
            .status(),
        200
    );
    suppress(&office, suppression_id(&office, ADA), Scope::Address).await;
    office.settle().await;
    assert_eq!((issued(&office).await, office.house.smtp.count()), (1, 0));
    // Nor does one go out whose link would not work any more.
    let bob = office.house.subscriber("bob@example.org").await;
    office.settle().await;
    let path = format!("{}/own-data", page(&office, bob, "bob@example.org"));
    assert_eq!(
        visit(&office, TestRequest::post().uri(&path))
            .await
            .status(),
        200
    );
    office.house.disable(channel).await;
    office.settle().await;
    office.house.platform.clock.advance(7 * DAY);
    office.house.enable(channel).await;
    office.settle().await;
    let failed = events(&office)
        .await
        .into_iter()
        .find_map(|(_, event)| match event {
            Event::DeliveryFailed(it) => Some((it.attempt, it.reason)),
            _ => None,
        });
    assert_eq!(failed, Some((0, "gave_up".to_owned())));
    assert_eq!(office.house.smtp.count(), 0);
    all_is_well(&office).await;
}

/// Whoever answers for the new mailbox never asked, and need not learn that somebody did.
#[actix_web::test]
async fn an_address_that_changes_before_the_mail_keeps_it_from_both_mailboxes() {
    let (office, channel) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    let path = format!("{}/own-data", page(&office, ada, ADA));
    let asks = TestRequest::post().uri(&path);
    assert_eq!(visit(&office, asks).await.status(), 200);
    office.house.disable(channel).await;
    move_to(&office, ada, NEW).await;
    office.house.enable(channel).await;
    office.house.platform.clock.advance(DAY);
    office.settle().await;
    let own = |(_, event): (String, Event)| match event {
        Event::DeliveryFailed(it) => Some((it.attempt, it.reason)),
        _ => None,
    };
    let failed: Vec<(i32, String)> = events(&office).await.into_iter().filter_map(own).collect();
    assert_eq!(failed, [(0, "moved".to_owned())]);
    assert_eq!(
        (mails(&office, ADA).len(), mails(&office, NEW).len()),
        (0, 0)
    );
    // What is asked for at the new address goes there.
    office.house.platform.clock.advance(31 * DAY);
    assert_eq!(asked(&office, ada, NEW).await.0, 200);
    assert_eq!(mails(&office, NEW).len(), 1);
    all_is_well(&office).await;
}

#[actix_web::test]
async fn who_is_not_there_any_more_or_not_yet_or_elsewhere_is_sent_nothing() {
    let (office, _) = office().await;
    let erased = office.house.subscriber("eve@example.org").await;
    let moved = office.house.subscriber(ADA).await;
    office.settle().await;
    let join = TestRequest::post().uri("/api/v1/subscribers");
    let join = join.set_json(json!({ "email": "bob@example.org", "confirmation": "required" }));
    let (status, pending) = ask(&office.house, notifying_commands(&office.house), join).await;
    assert_eq!(status, 201, "{pending}");
    let pending: Uuid = pending["id"].as_str().unwrap().parse().unwrap();
    office.erase(erased).await;
    move_to(&office, moved, NEW).await;
    let before = office.house.smtp.count();
    assert_eq!(asked(&office, erased, "eve@example.org").await.0, 404);
    assert_eq!(asked(&office, pending, "bob@example.org").await.0, 404);
    assert_eq!(
        asked(&office, moved, ADA).await.0,
        410,
        "the mailbox they gave up"
    );
    // Nor at the new one at once, since somebody else said that it is theirs.
    let (status, page) = asked(&office, moved, NEW).await;
    assert!(status == 409 && page.contains(CONTACT), "{page}");
    assert_eq!(
        (issued(&office).await, office.house.smtp.count()),
        (0, before)
    );
    office.house.platform.clock.advance(31 * DAY);
    assert_eq!(asked(&office, moved, NEW).await.0, 200);
    assert_eq!(mails(&office, NEW).len(), 1);
    all_is_well(&office).await;
}

#[actix_web::test]
async fn without_a_contact_there_is_neither_button_nor_link() {
    let (office, _) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    asked(&office, ada, ADA).await;
    let (link, page) = (last_link(&office, ADA), page(&office, ada, ADA));
    let commands = web::Data::new(notifying_commands(&office.house));
    let requests = vec![
        TestRequest::get().uri(&page),
        TestRequest::post().uri(&format!("{page}/own-data")),
        TestRequest::get().uri(&link),
        press(&link),
    ];
    let mut statuses = Vec::new();
    for response in answers(&office, &commands, requests).await {
        let (status, page) = text(response).await;
        assert!(
            !page.contains("own-data\"") && page.contains("<html"),
            "{page}"
        );
        statuses.push(status);
    }
    assert_eq!(statuses, [200, 404, 404, 404]);
    assert_eq!((issued(&office).await, handed_out(&office).await), (1, 0));
}

/// What is done while the file is made, after the link was found to work.
fn while_made<F>(office: &Office, meanwhile: impl Fn() -> F + Send + Sync + 'static) -> MakeExport
where
    F: Future<Output = ()> + Send + 'static,
{
    let make = make(office);
    Arc::new(move |id| {
        let (made, meanwhile) = (make(id), meanwhile());
        Box::pin(async move {
            let made = made.await;
            meanwhile.await;
            made
        })
    })
}

#[actix_web::test]
async fn an_address_that_is_changed_or_an_erasure_ends_a_link_even_while_its_file_is_made() {
    let (office, _) = office().await;
    let (ada, bob) = (
        office.house.subscriber(ADA).await,
        office.house.subscriber("bob@example.org").await,
    );
    office.settle().await;
    asked(&office, ada, ADA).await;
    let link = last_link(&office, ADA);
    move_to(&office, ada, NEW).await;
    for request in [press(&link), TestRequest::get().uri(&link)] {
        assert_eq!(visit(&office, request).await.status(), 410);
    }
    // Nor once they have come back to it: who had the mailbox meanwhile nobody knows.
    move_to(&office, ada, ADA).await;
    assert_eq!(visit(&office, press(&link)).await.status(), 410);

    asked(&office, bob, "bob@example.org").await;
    let link = last_link(&office, "bob@example.org");
    let store = office.house.platform.store.clone();
    let context = office.house.context();
    let erase = move || {
        let (store, context) = (store.clone(), context.clone());
        async move {
            let command = || subscriber::Command::RequestErasure {
                basis: subscriber::ErasureBasis::Request,
                asked_at: None,
                restored_event_id: None,
            };
            let asked = store.execute::<Subscriber>(bob, &context, None, command);
            asked.await.unwrap();
        }
    };
    let commands = web::Data::new(commands_with(&office, while_made(&office, erase)));
    let response = answers(&office, &commands, vec![press(&link)])
        .await
        .remove(0);
    let (status, page) = text(response).await;
    assert!(status == 410 && page.contains("<html"), "{page}");
    assert_eq!(handed_out(&office).await, 0);
}

#[actix_web::test]
async fn nothing_is_handed_out_between_a_restore_and_its_release() {
    let (office, _) = office().await;
    let ada = office.house.subscriber(ADA).await;
    office.settle().await;
    asked(&office, ada, ADA).await;
    let link = last_link(&office, ADA);
    restored(&office.house).await;
    office.settle().await;
    for request in [press(&link), TestRequest::get().uri(&link)] {
        assert_eq!(visit(&office, request).await.status(), 503);
    }
    release(&office.house).await;
    office.settle().await;
    assert_eq!(visit(&office, press(&link)).await.status(), 200);
    assert_eq!(handed_out(&office).await, 1);
    // A link whose notice a restored log has lost.
    let lost = tidings_domain::token::OwnDataLink {
        subscriber_id: ada,
        delivery_id: office.house.platform.ids.next(),
        address_suppression_id: suppression_id(&office, ADA),
        issued: date!(2026 - 03 - 02),
    };
    let lost = format!("/x/{}", lost.sign(office.house.link_keys.current()));
    let (status, page) = text(visit(&office, press(&lost)).await).await;
    assert!(
        status == 410 && page.contains("Ask for a new one"),
        "{page}"
    );
}
