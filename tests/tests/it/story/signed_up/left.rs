//! Links from before an erasure speak for whoever has the address by then: they leave by them for good, and no question that was
//! asked before brings them back.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;

const EVE: &str = "eve@example.org";

/// Somebody with this address is erased; gives the link to leave by of a mail they had, about a topic.
async fn erased(house: &House, email: &str) -> String {
    let id = house.subscriber(email).await;
    let link = UnsubscribeLink {
        subscriber_id: id,
        delivery_id: None,
        topic_id: Some(Uuid::from_u128(7)),
        address_suppression_id: suppression_id(house, email),
        issued: UnsubscribeLink::issued_on(house.platform.clock.clock().now()),
    };
    let erase = TestRequest::post().uri(&format!("/api/v1/subscribers/{id}/erase"));
    let (status, answer) = ask(house, commands(house), erase).await;
    assert_eq!(status, 202, "{answer}");
    house.platform.settle().await;
    assert_eq!(reasons(house, email).await, [Reason::Erased]);
    format!("/u/{}", link.sign(house.link_keys.current()))
}

#[actix_web::test]
async fn who_has_left_by_an_old_link_is_not_brought_back_by_a_question_from_before() {
    let (house, channel) = house().await;
    let mut questions = Vec::new();
    // The question, its yes and the old link, in every order in which the old link comes after the question.
    for (email, says_yes_first, said_before) in [
        (ADA, true, false),
        (GRACE, false, false),
        (EVE, false, true),
    ] {
        let old = erased(&house, email).await;
        if said_before {
            assert_eq!(press(&house, &old).await, 200);
            house.platform.clock.advance(Duration::from_mins(5));
        }
        joined(&house, email).await;
        let question = last_link(&house, email);
        if says_yes_first {
            assert_eq!(press(&house, &question).await, 200);
            assert_eq!(reasons(&house, email).await, []);
        }
        assert_eq!(press(&house, &old).await, 200);
        let stand = reasons(&house, email).await;
        assert!(stand.contains(&Reason::Unsubscribed), "{email}");
        assert_eq!(press(&house, &question).await, 410, "{email}");
        assert_eq!(reasons(&house, email).await, stand);
        questions.push((email, question));
    }
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    // Whoever asks anew is asked, and comes back by that link alone.
    for (email, question) in questions {
        assert_eq!(mails(&house, email).len(), 1, "{email}: the question");
        joined(&house, email).await;
        assert_eq!(press(&house, &question).await, 410, "{email}");
        assert_eq!(press(&house, &last_link(&house, email)).await, 200);
        assert_eq!(reasons(&house, email).await, []);
    }
    house.publish("The bridge", "It is up.", &[channel]).await;
    house.platform.settle().await;
    for email in [ADA, GRACE, EVE] {
        assert_eq!(mails(&house, email).len(), 3, "{email}");
    }
    all_is_well(&house).await;
}

#[actix_web::test]
async fn a_file_that_says_they_left_stands_against_a_question_from_before() {
    let (house, _) = house().await;
    erased(&house, ADA).await;
    joined(&house, ADA).await;
    let question = last_link(&house, ADA);
    assert_eq!(press(&house, &question).await, 200);
    suppress(&house, ADA, Reason::Unsubscribed).await;
    assert_eq!(press(&house, &question).await, 410);
    assert_eq!(reasons(&house, ADA).await, [Reason::Unsubscribed]);
}

#[actix_web::test]
async fn who_leaves_by_several_old_links_at_once_is_told_that_no_mail_comes_at_all() {
    let (house, _) = house().await;
    let old = erased(&house, ADA).await;
    let (status, question) = page(&house, commands(&house), TestRequest::get().uri(&old)).await;
    assert_eq!(status, 200, "{question}");
    // The link is about one topic, and nothing can be chosen.
    assert!(question.contains("no more mail from us"), "{question}");
    assert!(!question.contains("/p/"), "{question}");
    let left = join_all((0..3).map(|_| {
        let request = TestRequest::post().uri(&old);
        page(&house, commands(&house), request)
    }));
    for (status, page) in left.await {
        assert_eq!(status, 200, "{page}");
        // The link is about one topic.
        assert!(page.contains("no more mail from us"), "{page}");
    }
    let log = house.platform.store.log();
    let said = log.stream(suppression_id(&house, ADA)).await.unwrap();
    assert_eq!(said.len(), 2, "erased, and left: it is one word");
}

#[actix_web::test]
async fn a_program_that_goes_on_pressing_an_old_link_does_not_fill_the_log() {
    let (house, _) = house().await;
    let old = erased(&house, ADA).await;
    for _ in 0..100 {
        let request = TestRequest::post().uri(&old);
        assert_eq!(page(&house, commands(&house), request).await.0, 200);
        house.platform.clock.advance(Duration::from_secs(3_600));
    }
    let log = house.platform.store.log();
    let said = log.stream(suppression_id(&house, ADA)).await.unwrap();
    assert!((12..16).contains(&said.len()), "{}", said.len());
}
