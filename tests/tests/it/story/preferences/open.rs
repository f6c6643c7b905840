//! A page that was shown before its reader said something elsewhere.

use actix_web::test::TestRequest;
use tidings_domain::subscriber::{Subscriber, What};
use tidings_domain::topic::ByDefault;
use tidings_tests::house::House;

use super::{markets, path, visit};

/// It stands open, or was kept in a tab, and knows nothing of what they say by a mail meanwhile.
#[actix_web::test]
async fn a_page_that_was_open_while_its_reader_left_a_topic_does_not_bring_it_back() {
    let house = House::start().await;
    let (markets, offer) = markets(&house, ByDefault::In).await;
    let ada = house.subscriber("ada@example.org").await;
    let path = path(&house, ada);
    let wants = async || {
        let loaded = house.platform.store.load::<Subscriber>(ada).await.unwrap();
        let choices = loaded.state.profile().unwrap().choices.clone();
        choices.wants(markets, ByDefault::In)
    };
    let post = async |form: String| {
        let request = TestRequest::post().uri(&path).set_payload(form);
        let request = request.insert_header(("content-type", "application/x-www-form-urlencoded"));
        visit(&house, offer.clone(), vec![request]).await.remove(0)
    };
    let shown = visit(&house, offer.clone(), vec![TestRequest::get().uri(&path)]).await;
    let was = format!(r#"name="was_topic_{markets}" value="on""#);
    assert!(shown[0].1.contains(&was), "{}", shown[0].1);
    house.leave(ada, What::Topic(markets)).await;
    let ticked =
        format!("do=save&language=de&was_language=&offered_topic={markets}&topic={markets}");
    let (status, saved) = post(format!("{ticked}&was_topic_{markets}=on")).await;
    assert!(status == 200 && saved.contains("Saved"), "{saved}");
    assert!(!wants().await);
    // A page of before this could be told.
    let (status, told) = post(ticked.clone()).await;
    assert!(status == 409 && told.contains("stays left"), "{told}");
    assert!(!wants().await);
    // Nor does one that was ticked on a page of before they left.
    let version = |page: &str| {
        let (_, rest) = page.split_once(r#"name="version" value=""#).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let asked = |page: &str| format!("{ticked}&was_topic_{markets}=off&version={}", version(page));
    let (status, told) = post(asked(&shown[0].1)).await;
    assert!(status == 409 && told.contains("stays left"), "{told}");
    assert!(!wants().await);
    // By the page that shows it as it is, they ask for it.
    let (status, back) = post(asked(&told)).await;
    assert_eq!((status, wants().await), (200, true), "{back}");
    // That page once more, after they have left anew, asks for nothing.
    house.leave(ada, What::Topic(markets)).await;
    assert_eq!(post(asked(&told)).await.0, 409);
    assert!(!wants().await);
    // On the page that comes back from saving they may change their mind.
    let unticked = format!("do=save&offered_topic={markets}&was_topic_{markets}=on&version=0");
    let (status, left) = post(unticked).await;
    assert_eq!((status, wants().await), (200, false), "{left}");
    let (status, _) = post(asked(&left)).await;
    assert_eq!((status, wants().await), (200, true));
    let log = house.platform.store.log().stream(ada).await.unwrap();
    let back = log
        .iter()
        .filter(|it| it.event_type == "subscriber.Resubscribed");
    assert_eq!(back.count(), 2);
}
