//! A channel of files is tried before anything goes out by it: what is tried is not in the way of what comes after it.

use actix_web::test::TestRequest;
use actix_web::web::{self, ServiceConfig};
use serde_json::{Value, json};
use tidings_dispatcher::desk::routes;
use tidings_tests::api;
use tidings_tests::house::House;

const MARKDOWN: &str = "It runs again.\n";

async fn post(house: &House, path: String, body: Value) -> Value {
    let desk = web::Data::new(super::desk::desk(house));
    let rooms = |cfg: &mut ServiceConfig| routes(cfg.app_data(desk.clone()));
    let request = TestRequest::post().uri(&path).set_json(body);
    let (status, answer) = api::ask(&house.platform, rooms, request).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The names of what lies in the folder, those of tests first.
fn names(house: &House) -> Vec<String> {
    let folder = house.environment().file_root.join("editions");
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort_by_key(|name| (!name.starts_with("test-"), name.clone()));
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_tried_does_not_keep_the_delivery_from_being_written() {
    let house = House::start().await;
    let settings = json!({ "folder": "editions" });
    let channel = house.channel("file", settings, None).await;
    for _ in 0..2 {
        let tried = post(
            &house,
            format!("/api/v1/channels/{channel}/test"),
            json!({}),
        )
        .await;
        assert_eq!(tried["outcome"], "sent", "{tried}");
    }
    let id = house.draft("The ferry", MARKDOWN, &[channel]).await;
    let wish = json!({ "channel_id": channel });
    let tried = post(&house, format!("/api/v1/publications/{id}/test"), wish).await;
    assert_eq!(tried["outcome"], "sent", "{tried}");
    let at_once = || tidings_domain::publication::Command::Publish;
    house.publication(id, at_once).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.sent, 1);
    let names = names(&house);
    let tests = names.iter().filter(|name| name.starts_with("test-"));
    assert_eq!((tests.count(), names.len()), (3, 4), "{names:?}");
    assert_eq!(names[3], format!("{id}.eml"));
}
