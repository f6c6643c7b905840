//! Folds API key streams into one row each.

use serde_json::Value;
use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fields::{Fields, of_nouns};

/// The view `api_key_list`.
pub struct ApiKeyList;

view_row! {
    /// An API key.
    pub struct ApiKeyRow {
        key {
            /// The stream.
            key_id: Uuid,
        }
        /// What whoever made it calls it.
        name: Option<String>,
        /// The roles it may never go beyond: an array of text.
        roles: Option<Value>,
        /// What it may do of that: an array of text.
        scopes: Option<Value>,
        /// What its tokens begin with.
        prefix: Option<String>,
        /// When it was made.
        created_at: Option<OffsetDateTime>,
        /// By whom: an actor.
        created_by: Option<String>,
        /// When it got its newest secret, if that is not its first.
        rotated_at: Option<OffsetDateTime>,
        /// When the last secret of before ends.
        earlier_until: Option<OffsetDateTime>,
        /// When it ends.
        expires_at: Option<OffsetDateTime>,
        /// When it was revoked.
        revoked_at: Option<OffsetDateTime>,
        /// Why: a code.
        revoked_reason: Option<String>,
        /// Stream version.
        version: i32,
        /// Log position.
        position: i64,
    }
}

impl View for ApiKeyList {
    type Row = ApiKeyRow;
    const DEFINITION: Definition = Definition {
        name: "api_key_list",
        sql: tidings_schema::views::API_KEY_LIST,
    };
    const NOUNS: &'static [&'static str] = &["api_key"];

    fn fold(item: &Item, _: &KeyRing, rows: &mut Vec<Self::Row>) -> Result<(), UnderstandError> {
        let Some(event) = of_nouns(item, Self::NOUNS)? else {
            return Ok(());
        };
        let fields = Fields::of(event);
        let row = ApiKeyRow::nothing(item);
        let at = item.recorded.occurred_at;
        rows.push(match event {
            Event::ApiKeyCreated(it) => ApiKeyRow {
                name: Some(it.name.clone()),
                roles: Some(it.roles.clone().into()),
                scopes: Some(it.scopes.clone().into()),
                prefix: Some(it.prefix.clone()),
                created_at: Some(at),
                created_by: Some(item.recorded.actor.clone()),
                expires_at: fields.instant("expires_at_us", it.expires_at_us)?,
                ..row
            },
            Event::ApiKeyRotated(it) => ApiKeyRow {
                rotated_at: Some(at),
                prefix: Some(it.prefix.clone()),
                // Those that ended at once ended then.
                earlier_until: match it.previous_until_us {
                    0 => Some(at),
                    until => fields.instant("previous_until_us", until)?,
                },
                expires_at: fields.instant("expires_at_us", it.expires_at_us)?,
                ..row
            },
            Event::ApiKeyRevoked(it) => ApiKeyRow {
                revoked_at: Some(at),
                revoked_reason: Some(it.reason.clone()),
                ..row
            },
            _ => return Ok(()),
        });
        Ok(())
    }
}

impl ApiKeyRow {
    fn nothing(item: &Item) -> Self {
        Self {
            key_id: item.recorded.stream_id,
            name: None,
            roles: None,
            scopes: None,
            prefix: None,
            created_at: None,
            created_by: None,
            rotated_at: None,
            earlier_until: None,
            expires_at: None,
            revoked_at: None,
            revoked_reason: None,
            version: item.recorded.version,
            position: item.position(),
        }
    }
}

impl Merge for ApiKeyRow {
    fn merge(self, later: Self) -> Self {
        Self {
            key_id: self.key_id,
            // What was said first counts, as in the stream's own fold: but for the prefix none of these changes.
            name: self.name.or(later.name),
            roles: self.roles.or(later.roles),
            scopes: self.scopes.or(later.scopes),
            prefix: later.prefix.or(self.prefix),
            created_at: self.created_at.or(later.created_at),
            created_by: self.created_by.or(later.created_by),
            rotated_at: later.rotated_at.or(self.rotated_at),
            earlier_until: later.earlier_until.or(self.earlier_until),
            expires_at: later.expires_at.or(self.expires_at),
            // For ever.
            revoked_at: self.revoked_at.or(later.revoked_at),
            revoked_reason: self.revoked_reason.or(later.revoked_reason),
            version: later.version,
            position: later.position,
        }
    }
}
