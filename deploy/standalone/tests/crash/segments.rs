//! What a round publishes to segments: by mail, to whom one picks and another does not, while what the first asks is revised.

use serde_json::{Value, json};
use tidings_tests::program::{Api, Away};
use uuid::Uuid;

use crate::world::World;

/// Where the readers of a file sit, over and over. The first two are those whose mail is put off, and refused.
pub(crate) const SEATS: [&str; 4] = ["stalls", "gallery", "stalls", "box"];
/// Who gets it.
const NEAR: &str = "near";
/// Who does not.
const PRIVATE: &str = "private";

impl World {
    /// Publishes; `None`: nobody would have got it.
    pub(crate) async fn publish_to_segments(
        &self,
        api: &Api,
        number: usize,
        channel: Uuid,
    ) -> Result<Option<Uuid>, Away> {
        let near = self.segment(api, NEAR, &["stalls", "box"]).await?;
        self.segment(api, PRIVATE, &["box"]).await?;
        let title = format!("Programme {number} of {}", self.seed);
        let draft = json!({
            "title": title,
            "markdown": "What is on.",
            "channels": [channel],
            "segments": [NEAR],
            "excluded_segments": [PRIVATE],
        });
        let id = self.draft_once(api, title, &draft).await?;
        let path = format!("/api/v1/publications/{id}/publish");
        let published = api.command(&path, &json!({})).await?;
        // While its readers are read, perhaps.
        let seats = [&["stalls"][..], &["stalls", "box"]][number % 2];
        let revised = json!({ "name": format!("Near {number}"), "conditions": sits(seats) });
        let path = format!("/api/v1/segments/{near}");
        if let Some(answer) = api.replace(&path, &revised).await? {
            self.tell(&answer);
        }
        Ok(published.map(|answer| self.tell(&answer)))
    }

    /// The segment of those who sit there, defined if it is not known yet.
    async fn segment(&self, api: &Api, slug: &'static str, seats: &[&str]) -> Result<Uuid, Away> {
        if let Some(id) = self.known().segments.get(slug) {
            return Ok(*id);
        }
        let segment = json!({ "slug": slug, "name": slug, "conditions": sits(seats) });
        // Said again by somebody who missed the answer.
        let answer = api.command_once(slug, "/api/v1/segments", &segment).await?;
        let id = self.tell(&answer.expect("a segment may be defined"));
        self.known().segments.insert(slug, id);
        Ok(id)
    }
}

fn sits(seats: &[&str]) -> Value {
    json!({ "attribute": "seat", "is": seats })
}
