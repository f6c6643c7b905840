//! What an editor does with a publication besides publishing it.

use tidings_domain::publication::{Publication, Source};
use tidings_domain::value::Html;

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
            "retry",
            json!({"failed_reasons": ["mailbox_full", "no_such_reason"]}),
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

/// What is recorded of a publication, as those see it who fold it.
async fn recorded(platform: &Platform, id: &str) -> Publication {
    let id = id.parse().unwrap();
    platform.store.load::<Publication>(id).await.unwrap().state
}

#[actix_web::test]
async fn a_file_says_what_the_json_body_says_and_a_page_stops_older_readers() {
    let platform = Platform::start().await;
    let app = app!(platform);
    let channel = json!({"kind":"email","name":"News","settings":{"host":"h"}});
    let (.., channel) = send!(app, post(&platform, "/api/v1/channels").set_json(&channel));
    let channel = channel["id"].as_str().unwrap();
    let file = |media_type: &'static str, text: String| {
        post(&platform, "/api/v1/publications")
            .insert_header(("content-type", media_type))
            .set_payload(text)
    };

    let json = json!({"title":"The ferry","markdown":"It runs.\n","channels":[channel]});
    let (.., by_json) = send!(app, post(&platform, "/api/v1/publications").set_json(&json));
    let text = format!("---\ntitle: The ferry\nchannels: [{channel}]\n---\nIt runs.\n");
    let (status, _, by_file) = send!(app, file("text/markdown", text));
    assert_eq!(status, 201, "{by_file}");
    let [by_json, by_file] = [by_json, by_file].map(|it| it["id"].as_str().unwrap().to_owned());
    assert_eq!(
        recorded(&platform, &by_json).await,
        recorded(&platform, &by_file).await
    );

    let page = format!(
        "<title>The ferry</title><meta name=tidings:channels content={channel}><p>It runs."
    );
    let put = as_admin(
        &platform,
        TestRequest::put().uri(&format!("/api/v1/publications/{by_file}")),
    );
    let put = put.insert_header(("content-type", "text/html; charset=utf-8"));
    let (status, _, revised) = send!(app, put.set_payload(page.clone()));
    assert_eq!((status, &revised["version"]), (200, &json!(2)), "{revised}");
    let state = recorded(&platform, &by_file).await;
    let source = state
        .draft()
        .unwrap()
        .content
        .source
        .known()
        .unwrap()
        .clone();
    assert_eq!(source, Source::Html(Html::parse(&page).unwrap()));
    let stream = platform.store.log().stream(by_file.parse().unwrap()).await;
    let readers = stream
        .unwrap()
        .into_iter()
        .map(|event| event.metadata().min_reader);
    assert_eq!(readers.collect::<Vec<_>>(), [0, 2]);

    for (body, pointer) in [
        (json!({"title":"T","channels":[channel]}), "#/markdown"),
        (
            json!({"title":"T","channels":[channel],"markdown":"m","html":"<p>m"}),
            "#/html",
        ),
        (
            json!({"title":"T","channels":[channel],"html":"<script>m</script>"}),
            "#/html",
        ),
    ] {
        let (status, _, problem) =
            send!(app, post(&platform, "/api/v1/publications").set_json(&body));
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{problem}"
        );
    }
}
