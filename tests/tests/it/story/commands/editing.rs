//! What an editor does with a publication besides publishing it.

use super::*;

#[actix_web::test]
async fn an_editor_schedules_pauses_and_retries_and_is_told_what_can_not_be() {
    let platform = Platform::start().await;
    let app = app!(platform);
    let channel = json!({"kind":"email","name":"News","settings":{"host":"h"}});
    let (.., channel) = send!(app, post(&platform, "/api/v1/channels").set_json(&channel));
    let draft = json!({"title":"The ferry","markdown":"It runs.","channels":[channel["id"]]});
    let (.., draft) = send!(
        app,
        post(&platform, "/api/v1/publications").set_json(&draft)
    );
    let path = |verb: &str| {
        format!(
            "/api/v1/publications/{}/{verb}",
            draft["id"].as_str().unwrap()
        )
    };

    let wrong = json!({"local_time": "tomorrow at eight", "zone": "Berlin"});
    let (status, _, problem) = send!(app, post(&platform, &path("schedule")).set_json(&wrong));
    let pointers: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!((status, pointers), (422, vec!["#/local_time", "#/zone"]));
    for (verb, body, expected) in [
        (
            "schedule",
            json!({"local_time": "2020-01-01T08:00", "zone": "UTC"}),
            409,
        ),
        ("unschedule", json!({}), 409),
        ("pause", json!({}), 409),
        ("retry", json!({}), 409),
        (
            "retry",
            json!({"class": "lost", "failed_reasons": ["Not A Code"]}),
            422,
        ),
        (
            "schedule",
            json!({"local_time": "2026-12-24T08:00", "zone": "europe/berlin"}),
            200,
        ),
        ("unschedule", json!({}), 200),
        ("publish", json!({}), 202),
        (
            "schedule",
            json!({"local_time": "2026-12-24T08:00", "zone": "UTC"}),
            409,
        ),
        ("resume", json!({}), 409),
        ("pause", json!({"reason": "wrong_price"}), 200),
        ("pause", json!({}), 200),
        ("resume", json!({}), 200),
        ("cancel", json!({}), 202),
        ("retry", json!({}), 409),
    ] {
        let (status, _, answer) = send!(app, post(&platform, &path(verb)).set_json(&body));
        assert_eq!(status, expected, "{verb} {body}: {answer}");
    }
    let types: Vec<String> = platform
        .store
        .log()
        .stream(draft["id"].as_str().unwrap().parse().unwrap())
        .await
        .unwrap()
        .iter()
        .map(|event| {
            event
                .event_type
                .trim_start_matches("publication.")
                .to_owned()
        })
        .collect();
    assert_eq!(
        types,
        [
            "Drafted",
            "Scheduled",
            "Unscheduled",
            "Published",
            "Paused",
            "Resumed",
            "Cancelled"
        ]
    );
}
