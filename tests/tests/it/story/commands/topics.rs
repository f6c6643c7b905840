//! Topics, and publications that name them.

use tidings_domain::publication::{Priority, Publication};

use super::*;

#[actix_web::test]
async fn a_topic_is_defined_once_named_by_its_slug_and_archived() {
    let platform = Platform::start().await;
    let app = app!(platform);
    let define = |body: Value| post(&platform, "/api/v1/topics").set_json(body);
    let markets = json!({ "slug": "markets", "default": "out", "name": "Markets" });
    let (status, headers, topic) = send!(app, define(markets.clone()));
    assert_eq!((status, &topic["version"]), (201, &json!(1)), "{topic}");
    let path = format!("/api/v1/topics/{}", topic["id"].as_str().unwrap());
    assert_eq!(headers.get("location").unwrap().to_str().unwrap(), path);
    assert_eq!(send!(app, define(markets)).0, 409);
    let (status, _, wrong) = send!(
        app,
        define(json!({
            "slug": "City Council", "default": "on", "name": "", "from": "A\r\nBcc: b@example.org <a@example.org>",
            "reply_to": "nobody", "list_id": "news",
        }))
    );
    let errors = wrong["errors"].as_array().unwrap().iter();
    let pointers: Vec<&str> = errors.map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(status, 422);
    assert_eq!(
        pointers,
        [
            "#/slug",
            "#/default",
            "#/name",
            "#/from",
            "#/reply_to",
            "#/list_id"
        ]
    );
    let revise = || as_admin(&platform, TestRequest::put().uri(&path));
    let card = json!({ "name": "All markets", "from": "Markets <markets@example.org>" });
    let (status, _, body) = send!(app, revise().set_json(&card));
    assert_eq!((status, &body["version"]), (200, &json!(2)));

    let channel = json!({ "kind": "email", "name": "News", "settings": { "host": "h" } });
    let (_, _, channel) = send!(app, post(&platform, "/api/v1/channels").set_json(&channel));
    let draft = |topics: Value, priority: &str| {
        post(&platform, "/api/v1/publications").set_json(json!({
            "title": "T", "markdown": "m", "channels": [channel["id"]], "topics": topics, "priority": priority,
        }))
    };
    let (status, _, drafted) = send!(app, draft(json!(["markets"]), "urgent"));
    assert_eq!(status, 201, "{drafted}");
    let id: Uuid = drafted["id"].as_str().unwrap().parse().unwrap();
    let publication = platform.store.load::<Publication>(id).await.unwrap();
    let aim = &publication.state.draft().unwrap().aim;
    assert_eq!(
        aim.topic_ids.as_slice()[0].to_string(),
        topic["id"].as_str().unwrap()
    );
    assert_eq!(aim.priority, Priority::Urgent);
    let (status, _, body) = send!(app, draft(json!(["markets", "weather", "No"]), "soon"));
    assert_eq!(status, 422);
    let said = json!([
        { "pointer": "#/topics/1", "detail": "There is no topic \"weather\"." },
        { "pointer": "#/topics/2", "detail": "There is no topic \"No\"." },
        { "pointer": "#/priority", "detail": "\"soon\" is not known; allowed are: ordinary, urgent." },
    ]);
    assert_eq!(body["errors"], said);
    let file = format!(
        "---\ntitle: T\nchannels: [{}]\ntopics: [weather]\n---\nm\n",
        channel["id"].as_str().unwrap()
    );
    let in_a_file = post(&platform, "/api/v1/publications")
        .insert_header(("content-type", "text/markdown"))
        .set_payload(file);
    let (status, _, body) = send!(app, in_a_file);
    assert_eq!(
        (status, &body["errors"][0]["pointer"]),
        (422, &json!("#/topics/0"))
    );
    assert!(
        body["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("weather")
    );

    let archive = || post(&platform, &format!("{path}/archive"));
    for version in [3, 3] {
        let (status, _, body) = send!(app, archive());
        assert_eq!((status, &body["version"]), (200, &json!(version)));
    }
    assert_eq!(send!(app, revise().set_json(&card)).0, 409);
    let (status, _, body) = send!(app, draft(json!(["markets"]), "ordinary"));
    assert_eq!(status, 422);
    let archived = "The topic \"markets\" is archived.";
    assert_eq!(body["errors"][0]["detail"], archived);
}
