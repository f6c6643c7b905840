//! What can be said of a segment anew, as a request says it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use tidings_domain::personal::Personal;
use tidings_domain::segment::{Condition, Definition};
use tidings_domain::topic::Topic;
use tidings_domain::value::{Description, SegmentName};
use tidings_service::Problem;
use utoipa::ToSchema;

use crate::commands::Commands;
use crate::refusal::{self, Values};

/// Whom a segment picks, and under which name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Members in London",
    "conditions": { "all": [{ "attribute": "city", "is": "London" }, { "tag": "member" }] },
}))]
pub(crate) struct SegmentDefinition {
    /// What editors see it called: one line.
    pub(super) name: String,
    /// One line about it.
    pub(super) description: Option<String>,
    /// Whom it picks: `POST /api/v1/segments/preview` says how, and tries it. What identifies a single person does not
    /// belong in it: no erasure reaches it.
    #[schema(value_type = Object)]
    pub(super) conditions: Value,
}

impl SegmentDefinition {
    /// The same, right by its types; what is wrong is noted.
    ///
    /// # Errors
    /// 503 when the log can not be read.
    pub(super) async fn judge(
        &self,
        commands: &Commands,
        values: &mut Values,
    ) -> Result<Option<Definition>, Problem> {
        let name = values.take("#/name", SegmentName::parse(&self.name));
        let description = match &self.description {
            None => Some(None),
            Some(text) => values
                .take("#/description", Description::parse(text))
                .map(Some),
        };
        let condition = self.condition(commands, values).await?;
        Ok(name
            .zip(description)
            .zip(condition)
            .map(|((name, description), condition)| Definition {
                name,
                description,
                condition: Personal::Known(condition),
            }))
    }

    async fn condition(
        &self,
        commands: &Commands,
        values: &mut Values,
    ) -> Result<Option<Condition>, Problem> {
        let mut topics = BTreeMap::new();
        for id in Condition::topics_named_in(&self.conditions) {
            match commands.store.load::<Topic>(id).await {
                Ok(topic) if topic.version > 0 => {
                    topics.insert(id, topic.state.by_default());
                }
                Ok(_) => {}
                Err(error) if error.is_wrong_stream() => {}
                Err(error) => return Err(refusal::load(&error)),
            }
        }
        let parsed = Condition::parse(&self.conditions, &topics);
        Ok(parsed
            .map_err(|wrong| {
                for wrong in wrong {
                    values.wrong(&format!("#/conditions{}", wrong.pointer), &wrong.detail);
                }
            })
            .ok())
    }
}
