//! What the commands of this room need: log, clock, ids, keys, and the rules of channel kinds.

use std::sync::Arc;

use serde_json::Value;
use tidings_domain::aggregate::Aggregate;
use tidings_domain::id::IdKey;
use tidings_domain::token::LinkKeys;
use tidings_event_store::Store;
use tidings_service::config::HttpConfig;
use tidings_service::problem::FieldError;
use tidings_service::{Clock, Ids, Problem};
use uuid::Uuid;

use crate::answer::Answer;
use crate::refusal::{self, Refused};
use crate::request::{Call, Principals};

/// Says what is wrong with a channel's kind, settings and credentials (a JSON text, if there are any).
/// Pointers go into the request body: `#/kind`, `#/settings/host`, `#/credentials/password`.
pub type CheckChannel =
    Arc<dyn Fn(&str, &Value, Option<&str>) -> Result<(), Vec<FieldError>> + Send + Sync>;

/// The state of this room; register it as `web::Data<Commands>`.
pub struct Commands {
    /// Log and vault.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Fresh ids.
    pub ids: Ids,
    /// Key of ids that nobody may guess.
    pub id_key: IdKey,
    /// Keys of the links in mails.
    pub link_keys: LinkKeys,
    /// The rules of channel kinds, which another room owns.
    pub check_channel: CheckChannel,
    /// Limits on bodies.
    pub limits: HttpConfig,
    pub(crate) principals: Principals,
}

impl Commands {
    /// The commands over one log.
    pub fn new(
        store: Store,
        clock: Clock,
        ids: Ids,
        id_key: IdKey,
        link_keys: LinkKeys,
        check_channel: CheckChannel,
        limits: HttpConfig,
    ) -> Self {
        Self {
            store,
            clock,
            ids,
            id_key,
            link_keys,
            check_channel,
            limits,
            principals: Principals::default(),
        }
    }

    /// Carries out a command on one stream that exists.
    pub(crate) async fn change<A: Aggregate>(
        &self,
        id: Uuid,
        call: Call,
        body: &[u8],
        command: impl Fn() -> A::Command + Send + Sync,
    ) -> Result<Answer, Problem>
    where
        A::Refusal: Refused,
    {
        let if_match = call.if_match;
        let request = call.begin(self, body).await?;
        let executed = self
            .store
            .execute::<A>(id, &request.context, if_match, command)
            .await
            .map_err(refusal::of)?;
        Answer::of(&executed, &request.context)
    }

    /// Carries out the command that makes a new stream.
    pub(crate) async fn create<A: Aggregate>(
        &self,
        call: Call,
        body: &[u8],
        command: impl Fn() -> A::Command + Send + Sync,
    ) -> Result<Answer, Problem>
    where
        A::Refusal: Refused,
    {
        let request = call.begin(self, body).await?;
        let id = request.new_stream(self, A::NOUN);
        let executed = self
            .store
            .execute::<A>(id, &request.context, None, command)
            .await
            .map_err(refusal::of)?;
        Answer::of(&executed, &request.context)
    }
}
