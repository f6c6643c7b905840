//! What somebody leaves or comes back to, as a request names it.

use serde::Deserialize;
use tidings_domain::aggregate::Aggregate;
use tidings_domain::channel::Channel;
use tidings_domain::subscriber::What;
use tidings_domain::topic::Topic;
use tidings_domain::value::Evidence;
use tidings_service::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::commands::Commands;
use crate::refusal::{self, Values};

/// A topic, a channel, or everything.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "topic_id": "45bcf259-d225-85b3-aaef-9eb925c652cc" }))]
pub(crate) struct Matter {
    /// One topic, by whatever channel it comes.
    topic_id: Option<Uuid>,
    /// One channel, whatever comes by it; not beside a topic. Neither: everything.
    channel_id: Option<Uuid>,
    /// Whether they are told by mail that what they get was changed; they are, unless you say otherwise. Who leaves everything is
    /// not.
    #[schema(default = true)]
    notify: Option<bool>,
    /// How they asked for it, in your words: `by phone, ticket 4711`. One line of at most 500 characters; it is sealed under their key,
    /// and stands in their timeline and in the file of all that is held about them, which they may get too.
    #[schema(max_length = 500, example = "by phone, ticket 4711")]
    evidence: Option<String>,
}

impl Matter {
    /// Whether they are told, if they get anything by then.
    pub(super) fn is_told(&self) -> bool {
        self.notify.unwrap_or(true)
    }

    /// The same, if there is such a thing; and how they asked for it, if that is said.
    ///
    /// # Errors
    /// 422 when there is not, both are named, or the evidence is no line; 503 when the log can not be read.
    pub(super) async fn judge(
        &self,
        commands: &Commands,
    ) -> Result<(What, Option<Evidence>), Problem> {
        let mut values = Values::default();
        let note = self.evidence.as_deref().map(Evidence::note);
        let note = note.and_then(|parsed| values.take("#/evidence", parsed));
        let what = match (self.topic_id, self.channel_id) {
            (None, None) => Some(What::Everything),
            (Some(_), Some(_)) => {
                values.wrong(
                    "#/channel_id",
                    "a topic is named already: name one of the two",
                );
                None
            }
            (Some(id), None) => {
                if !exists::<Topic>(commands, id).await? {
                    values.wrong("#/topic_id", "there is no topic with this id");
                }
                Some(What::Topic(id))
            }
            (None, Some(id)) => {
                if !exists::<Channel>(commands, id).await? {
                    values.wrong("#/channel_id", "there is no channel with this id");
                }
                Some(What::Channel(id))
            }
        };
        values.all(what.map(|what| (what, note)))
    }
}

async fn exists<A: Aggregate>(commands: &Commands, id: Uuid) -> Result<bool, Problem> {
    match commands.store.load::<A>(id).await {
        Ok(loaded) => Ok(loaded.version > 0),
        Err(error) if error.is_wrong_stream() => Ok(false),
        Err(error) => Err(refusal::load(&error)),
    }
}
