//! The channels as they stand, built and ready to send: folded from their streams when first needed,
//! and again whenever a commit is refused because one has moved on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings_domain::channel::Channel as ChannelState;
use tidings_domain::personal::Personal;
use tidings_event_store::{LoadError, Loaded, Store};
use uuid::Uuid;

use crate::channel::{Channel, Environment, Kind};
use crate::channels;

/// A channel, ready to send.
#[derive(Clone)]
pub(crate) struct Way {
    /// Its stream.
    pub(crate) channel_id: Uuid,
    /// Version it was folded at.
    pub(crate) version: i32,
    /// Whether it may send now.
    pub(crate) enabled: bool,
    /// What kind it is; none when this build does not know it.
    pub(crate) kind: Option<&'static Kind>,
    /// To send with; none when its settings or credentials can not be used.
    pub(crate) channel: Option<Arc<dyn Channel>>,
}

/// Every channel met so far.
pub(crate) struct Roster {
    store: Store,
    environment: Environment,
    ways: Mutex<HashMap<Uuid, Arc<Way>>>,
}

impl Roster {
    /// Empty; channels are folded when asked for.
    pub(crate) fn new(store: Store, environment: Environment) -> Self {
        Self {
            store,
            environment,
            ways: Mutex::default(),
        }
    }

    /// The channel, as last folded.
    pub(crate) async fn get(&self, channel_id: Uuid) -> Result<Arc<Way>, LoadError> {
        let known = self
            .ways
            .lock()
            .expect("no panic while the roster is held")
            .get(&channel_id)
            .cloned();
        match known {
            Some(way) => Ok(way),
            None => self.refresh(channel_id).await,
        }
    }

    /// How many attempts a channel can use at once; one for a channel not met yet.
    pub(crate) fn concurrency(&self, channel_id: Uuid) -> usize {
        let ways = self.ways.lock().expect("no panic while the roster is held");
        let channel = ways.get(&channel_id).and_then(|way| way.channel.as_ref());
        channel.map_or(1, |channel| channel.concurrency())
    }

    /// How long a channel opens no attempt; none: it may now.
    pub(crate) fn ready_after(&self, channel_id: Uuid) -> Option<Duration> {
        let ways = self.ways.lock().expect("no panic while the roster is held");
        let channel = ways.get(&channel_id).and_then(|way| way.channel.as_ref());
        channel.and_then(|channel| channel.ready_after())
    }

    /// Folds the channel anew. It is built again, with new connections, only if it has moved on.
    pub(crate) async fn refresh(&self, channel_id: Uuid) -> Result<Arc<Way>, LoadError> {
        let loaded = self.store.load::<ChannelState>(channel_id).await?;
        let known = self
            .ways
            .lock()
            .expect("no panic while the roster is held")
            .get(&channel_id)
            .cloned();
        if let Some(way) = known.filter(|way| way.version == loaded.version) {
            return Ok(way);
        }
        let way = Arc::new(self.way(&loaded));
        let before = self
            .ways
            .lock()
            .expect("no panic while the roster is held")
            .insert(channel_id, way.clone());
        if let Some(channel) = before.and_then(|before| before.channel.clone()) {
            // Attempts under way keep their connections; idle ones say goodbye.
            tokio::spawn(async move { channel.close().await });
        }
        Ok(way)
    }

    fn way(&self, loaded: &Loaded<ChannelState>) -> Way {
        let mut way = Way {
            channel_id: loaded.id,
            version: loaded.version,
            enabled: loaded.state.is_enabled(),
            kind: None,
            channel: None,
        };
        let Some(setup) = loaded.state.setup() else {
            return way;
        };
        way.kind = channels::find(setup.kind.as_str());
        let credentials = match &setup.credentials {
            Some(Personal::Known(credentials)) => Some(credentials.expose_json()),
            Some(Personal::Erased) | None => None,
        };
        let built = way
            .kind
            .map(|kind| (kind.build)(&setup.settings.to_value(), credentials, &self.environment));
        match built {
            Some(Ok(channel)) => way.channel = Some(channel),
            Some(Err(error)) => {
                tracing::error!(channel = %loaded.id, %error, "a channel can not be used");
            }
            None => {
                tracing::error!(channel = %loaded.id, "a channel's kind is not known to this version");
            }
        }
        way
    }
}
