//! What hinders a channel from sending beside what the views say: the room that delivers finds it, and those that answer tell it.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use time::OffsetDateTime;
use uuid::Uuid;

/// Of one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hindrance {
    /// What is wrong with its settings or credentials, so that nothing can be sent by it: a clause.
    pub unusable: Option<String>,
    /// That the receiving side asks for fewer messages.
    pub slowed: Option<Slowed>,
}

/// That the receiving side asks for fewer messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slowed {
    /// Until when what it refused waits.
    pub until: OffsetDateTime,
    /// How it asked: a code.
    pub reason: String,
}

/// Of these channels, those that are hindered.
pub type Hindrances =
    Arc<dyn Fn(Vec<Uuid>) -> BoxFuture<'static, HashMap<Uuid, Hindrance>> + Send + Sync>;
