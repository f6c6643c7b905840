//! What an editor does over the API.

use serde_json::{Value, json};

use super::Api;

/// The way of any editorial tool: an e-mail channel, a file of subscribers, a draft, and off it goes. Gives
/// the id of the publication.
pub async fn publish(api: &Api, smtp_port: u16, subscribers: usize) -> String {
    let channel = json!({
        "kind": "email",
        "name": "News",
        "settings": {
            "host": "127.0.0.1",
            "port": smtp_port,
            "encryption": "none",
            "from": "News <news@example.org>",
        },
    });
    let channel = api.post("/api/v1/channels", &channel).await;
    let mut csv = "email,name\n".to_owned();
    for n in 0..subscribers {
        csv += &format!("reader{n}@example.org,Reader {n}\n");
    }
    let import = api.post_csv("/api/v1/imports", csv).await;
    let path = format!("/api/v1/imports/{}", id(&import));
    let import = api
        .until(&path, |import| import["state"] == json!("completed"))
        .await;
    assert_eq!(import["accepted"], json!(subscribers), "{import}");
    let draft =
        json!({ "title": "News", "markdown": "All is **well**.", "channels": [channel["id"]] });
    let draft = api.post("/api/v1/publications", &draft).await;
    api.post(
        &format!("/api/v1/publications/{}/publish", id(&draft)),
        &json!({}),
    )
    .await;
    id(&draft)
}

/// The id in an answer.
pub fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

/// Waits until every delivery of a publication has come to its end; gives its accounting.
pub async fn settled(api: &Api, publication: &str) -> Value {
    let path = format!("/api/v1/publications/{publication}/accounting");
    api.until(&path, |accounting| {
        accounting["state"] == json!("completed")
    })
    .await
}
