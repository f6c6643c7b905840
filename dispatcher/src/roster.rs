//! The channels as they stand, built and ready to send: folded from their streams when first needed,
//! and again whenever a commit is refused because one has moved on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_domain::channel::circuit::Passage;
use tidings_domain::channel::{Channel as ChannelState, Circuit, Setup};
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::personal::Personal;
use tidings_event_store::{LoadError, Loaded, Past, ReadError, Store};
use tidings_proto::{EventMessage as _, channel as wire};
use tidings_service::problem::chain;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::channel::{Channel, Environment, Former, Kind, Reach};
use crate::channels::{self, Opened};

/// A channel, ready to send.
#[derive(Clone)]
pub(crate) struct Way {
    /// Its stream.
    pub(crate) channel_id: Uuid,
    /// Version it was folded at.
    pub(crate) version: i32,
    /// Version of the event that set it up as it is.
    pub(crate) setup_version: i32,
    /// The channel itself.
    pub(crate) state: ChannelState,
    /// What kind it is; none when this build does not know it.
    pub(crate) kind: Option<&'static Kind>,
    /// What to do about an attempt nobody knows the outcome of.
    pub(crate) doubt: DoubtPolicy,
    /// To send with; none when its settings or credentials can not be used.
    pub(crate) channel: Option<Arc<dyn Channel>>,
    /// What is wrong with them, if so: a clause. It holds no credential.
    pub(crate) wrong: Option<String>,
}

impl Way {
    /// A kind this build does not know counts as a broadcast: one delivery that waits for an upgrade.
    pub(crate) fn reach(&self) -> Reach {
        self.kind.map_or(Reach::Broadcast, |kind| kind.reach)
    }

    /// Whether anything gets through.
    pub(crate) fn circuit(&self) -> Circuit {
        self.state.circuit()
    }

    /// Whether an attempt may be made now, if only to find out whether the channel works again.
    pub(crate) fn lets_through(&self, now: OffsetDateTime) -> bool {
        let waits = matches!(self.circuit().passage(now), Passage::Wait { .. });
        self.state.is_enabled() && self.channel.is_some() && !waits
    }
}

const UNKNOWN_KIND: &str = "this version of the program does not know its kind";

/// Every channel met so far.
pub(crate) struct Roster {
    store: Store,
    environment: Environment,
    /// Whether deliveries go by them, so that what their settings say of limits holds.
    binds: bool,
    ways: Mutex<HashMap<Uuid, Arc<Way>>>,
}

/// Enabled channels of these kinds, and all of these; how far each has come.
const VERSIONS: &str = "select channel_id, version from publishing_channel_list \
     where enabled and kind = any($1) or channel_id = any($2)";

/// Those of these channels that are enabled, and how far each has come.
const STANDINGS: &str = "select channel_id, version from publishing_channel_list where enabled and channel_id = any($1)";

impl Roster {
    /// Empty; channels are folded when asked for.
    pub(crate) fn new(store: Store, environment: Environment) -> Self {
        Self {
            binds: true,
            ..Self::for_trying(store, environment)
        }
    }

    /// The same, of channels that are only looked at and tried: what they say of limits holds for nobody.
    pub(crate) fn for_trying(store: Store, environment: Environment) -> Self {
        Self {
            store,
            environment,
            binds: false,
            ways: Mutex::default(),
        }
    }

    /// The channel, as last folded.
    pub(crate) async fn get(&self, channel_id: Uuid) -> Result<Arc<Way>, LoadError> {
        match self.known(channel_id) {
            Some(way) => Ok(way),
            None => self.refresh(channel_id).await,
        }
    }

    /// Channels of these that make one delivery for each subscriber, and those that make one in all.
    pub(crate) async fn reaches(&self, channel_ids: &[Uuid]) -> Result<(u64, u64), LoadError> {
        let (mut addressed, mut broadcast) = (0, 0);
        for channel_id in channel_ids {
            match self.get(*channel_id).await?.reach() {
                Reach::Addressed => addressed += 1,
                Reach::Broadcast => broadcast += 1,
            }
        }
        Ok((addressed, broadcast))
    }

    /// How many attempts a channel can use at once; one for a channel not met yet, and one to find out whether it
    /// works again.
    pub(crate) fn concurrency(&self, channel_id: Uuid) -> usize {
        let ways = self.held();
        let way = ways
            .get(&channel_id)
            .filter(|way| way.circuit().is_closed());
        let channel = way.and_then(|way| way.channel.as_ref());
        channel.map_or(1, |channel| channel.concurrency())
    }

    /// How long a channel opens no attempt; none: it may now.
    pub(crate) fn ready_after(&self, channel_id: Uuid) -> Option<Duration> {
        let ways = self.held();
        let channel = ways.get(&channel_id).and_then(|way| way.channel.as_ref());
        channel.and_then(|channel| channel.ready_after())
    }

    /// A channel opens an attempt at a delivery; it counts until what is given is dropped.
    pub(crate) fn open(&self, channel_id: Uuid, delivery_id: Uuid) -> Option<Opened> {
        let ways = self.held();
        let channel = ways.get(&channel_id).and_then(|way| way.channel.as_ref());
        channel.and_then(|channel| channel.open(delivery_id))
    }

    /// Folds the channel anew. It is built again, with new connections, only if it was set up anew.
    pub(crate) async fn refresh(&self, channel_id: Uuid) -> Result<Arc<Way>, LoadError> {
        let loaded = self.store.load::<ChannelState>(channel_id).await?;
        let known = self.known(channel_id);
        if let Some(way) = known.as_ref().filter(|way| way.version == loaded.version) {
            return Ok(way.clone());
        }
        let is_mended = known
            .as_ref()
            .is_some_and(|known| is_mended_since(known.version, &loaded));
        let way = match known.filter(|known| known.setup_version == setup_version(&loaded)) {
            Some(known) => Way {
                version: loaded.version,
                state: loaded.state,
                ..Way::clone(&known)
            },
            None => self.way(&loaded),
        };
        let way = Arc::new(way);
        let replaced = {
            let mut ways = self.held();
            // Whoever has read it later was quicker.
            if let Some(newer) = ways.get(&channel_id).filter(|it| it.version > way.version) {
                return Ok(newer.clone());
            }
            let before = ways.insert(channel_id, way.clone());
            let replaced = before.filter(|before| before.setup_version != way.setup_version);
            let replaced = replaced.and_then(|before| before.channel.clone());
            // In the order in which they take each other's place.
            if let Some(channel) = &way.channel {
                channel.bind(self.binds && way.state.is_enabled());
                if is_mended && self.binds {
                    channel.wake();
                }
            }
            if let Some(channel) = &replaced {
                channel.bind(false);
            }
            replaced
        };
        if let Some(channel) = replaced {
            // Attempts under way keep their connections; idle ones say goodbye.
            tokio::spawn(async move { channel.close().await });
        }
        Ok(way)
    }

    /// Meets the channels that share an account with others, and folds those anew that have moved on, although nothing is sent by
    /// them: what their settings say holds for the others, and one that rests is sent nothing by until somebody's word ends that.
    pub(crate) async fn keep_up(&self) -> Result<(), ReadError> {
        let kinds = channels::addressed_kinds();
        let met: Vec<Uuid> = self.held().keys().copied().collect();
        for row in self.store.log().query(VERSIONS, &[&kinds, &met]).await? {
            self.at_least(row.get(0), row.get(1)).await;
        }
        Ok(())
    }

    /// Those of these channels that are enabled and whose settings or credentials can not be used, and what is wrong with them. One
    /// that can not be read is none of them.
    pub(crate) async fn unusable(&self, channels: &[Uuid]) -> HashMap<Uuid, String> {
        let rows = match self.store.log().query(STANDINGS, &[&channels]).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::debug!(error = %chain(&error), "channels can not be read");
                return HashMap::new();
            }
        };
        let mut unusable = HashMap::new();
        for row in rows {
            let way = self.at_least(row.get(0), row.get(1)).await;
            let wrong = way.and_then(|way| way.wrong.clone().map(|wrong| (way.channel_id, wrong)));
            unusable.extend(wrong);
        }
        unusable
    }

    /// The channel as it stands at this version or later; none if it can not be read.
    async fn at_least(&self, channel_id: Uuid, version: i32) -> Option<Arc<Way>> {
        if let Some(way) = self.known(channel_id).filter(|way| way.version >= version) {
            return Some(way);
        }
        let read = self.refresh(channel_id).await;
        let unread = |error: &LoadError| {
            tracing::debug!(channel = %channel_id, error = %chain(error), "a channel can not be read");
        };
        read.inspect_err(unread).ok()
    }

    fn known(&self, channel_id: Uuid) -> Option<Arc<Way>> {
        self.held().get(&channel_id).cloned()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Way>>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn way(&self, loaded: &Loaded<ChannelState>) -> Way {
        let mut way = Way {
            channel_id: loaded.id,
            version: loaded.version,
            setup_version: setup_version(loaded),
            state: loaded.state.clone(),
            kind: None,
            doubt: DoubtPolicy::Hold,
            channel: None,
            wrong: None,
        };
        let Some(setup) = loaded.state.setup() else {
            return way;
        };
        way.kind = channels::find(setup.kind.as_str());
        let credentials = match &setup.credentials {
            Some(Personal::Known(credentials)) => Some(credentials.expose_json()),
            Some(Personal::Erased) | None => None,
        };
        let built = way.kind.map(|kind| {
            channels::build(
                kind,
                &setup.settings.to_value(),
                credentials,
                &self.environment,
            )
        });
        match built {
            Some(Ok(built)) => {
                let before = former(setup, loaded);
                let succeeding = built.channel.succeeding(&before);
                way.channel = Some(succeeding.unwrap_or(built.channel));
                way.doubt = built.doubt;
            }
            Some(Err(error)) => {
                tracing::error!(channel = %loaded.id, error = %chain(&error), "a channel can not be used");
                let problems: Vec<String> =
                    error.problems.iter().map(ToString::to_string).collect();
                way.wrong = Some(problems.join("; "));
            }
            None => {
                tracing::error!(channel = %loaded.id, "a channel's kind is not known to this version");
                way.wrong = Some(UNKNOWN_KIND.to_owned());
            }
        }
        way
    }
}

/// The credentials it had before, and when they were replaced.
fn former<'a>(setup: &'a Setup, loaded: &Loaded<ChannelState>) -> Vec<Former<'a>> {
    let set_up: Vec<_> = loaded.history.iter().filter(|past| sets_up(past)).collect();
    let of = |it: &'a tidings_domain::channel::Former| {
        let at = usize::try_from(it.replaced_by).ok()?.checked_sub(1)?;
        Some(Former {
            credentials: it.credentials.known()?.expose_json(),
            settings: it.settings.to_value(),
            replaced_at: set_up.get(at)?.occurred_at,
        })
    };
    setup.former.iter().filter_map(of).collect()
}

fn sets_up(past: &Past) -> bool {
    [wire::Configured::TYPE, wire::Reconfigured::TYPE].contains(&past.event_type.as_str())
}

/// Whether somebody has said since that it works.
fn is_mended_since(version: i32, loaded: &Loaded<ChannelState>) -> bool {
    let mut since = loaded.history.iter().filter(|past| past.version > version);
    since.any(|past| sets_up(past) || past.event_type == wire::Enabled::TYPE)
}

fn setup_version(loaded: &Loaded<ChannelState>) -> i32 {
    let last = loaded.history.iter().rfind(|past| sets_up(past));
    last.map_or(0, |past| past.version)
}
