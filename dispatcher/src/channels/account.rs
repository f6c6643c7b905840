//! What a receiving side counts together, whichever channel it is for: what comes under one login, or one key. All channels
//! of a process that use it share one pace, and what one of them states of its limits holds for all of them; each
//! dispatcher takes its share of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_service::clock::Clock;
use uuid::Uuid;

use super::{permits::Permits, sharing::Sharing, tempo::Tempo};
use crate::channels::email::Host;

/// The accounts that channels of this process use, and how many dispatchers do. Clones share them.
#[derive(Clone, Default)]
pub struct Accounts(Arc<All>);

#[derive(Default)]
struct All {
    dispatchers: Dispatchers,
    ses: Sharing<Account>,
    hosts: Sharing<Host>,
}

/// How many dispatchers live, as far as this one knows; one until it has looked.
#[derive(Clone)]
struct Dispatchers(Arc<AtomicU32>);

impl Default for Dispatchers {
    fn default() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }
}

impl Accounts {
    /// So many dispatchers live now, this one included: from now on it takes its share, and no more.
    pub(crate) fn share_among(&self, dispatchers: u32) {
        let all = &self.0;
        let before = all
            .dispatchers
            .0
            .swap(dispatchers.max(1), Ordering::Relaxed);
        if before != dispatchers.max(1) {
            all.ses.all().iter().for_each(|it| it.tune());
            all.hosts.all().iter().for_each(|it| it.account.tune());
        }
        // Connections that nobody needs any more, or that are the others' now.
        all.hosts.all().iter().for_each(|it| it.tidy());
    }

    /// The one of this key at Amazon SES. What was not used of its rate is saved up for so long.
    pub(super) fn ses(&self, key: String, saved: Duration, clock: &Clock) -> Arc<Account> {
        let make = || self.account(saved, clock);
        self.0.ses.of(key, make)
    }

    /// The one of this login at a mail host.
    pub(super) fn host(&self, login: String, saved: Duration, clock: &Clock) -> Arc<Host> {
        let make = || Host::new(Arc::new(self.account(saved, clock)));
        self.0.hosts.of(login, make)
    }

    fn account(&self, saved: Duration, clock: &Clock) -> Account {
        let account = Account {
            dispatchers: self.0.dispatchers.clone(),
            tempo: Tempo::new(saved, clock),
            permits: Permits::new(CONNECTIONS),
            stated: Mutex::default(),
        };
        account.tune();
        account
    }
}

/// Connections at a time where nobody states how many.
const CONNECTIONS: usize = 8;

/// What channels that share an account keep to.
pub(super) struct Account {
    dispatchers: Dispatchers,
    pub(super) tempo: Tempo,
    pub(super) permits: Permits,
    stated: Mutex<Stated>,
}

/// What a channel's settings say of the account. Of several that speak of it the smallest number holds, for those too that say
/// nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// Mails begun in a minute.
    pub(super) per_minute: Option<u32>,
    /// Connections at a time.
    pub(super) connections: Option<usize>,
}

#[derive(Default)]
struct Stated {
    /// How many there were so far.
    count: u64,
    all: Vec<(u64, Limits)>,
}

/// Limits that hold until this is dropped.
pub(super) struct Statement {
    account: Arc<Account>,
    number: u64,
}

/// An attempt that counts among those of its account whose message is about to begin: until it has, or this is dropped.
pub struct Opened {
    account: Arc<Account>,
    delivery_id: Uuid,
}

impl Account {
    /// An attempt at this delivery is opened. The others, of whichever channel, leave it what it needs to begin.
    pub(super) fn open(self: &Arc<Self>, delivery_id: Uuid) -> Opened {
        self.tempo.open(delivery_id);
        Opened {
            account: Arc::clone(self),
            delivery_id,
        }
    }

    /// These limits hold too, from now on.
    pub(super) fn state(self: &Arc<Self>, limits: Limits) -> Statement {
        let mut stated = self.lock();
        stated.count += 1;
        let number = stated.count;
        stated.all.push((number, limits));
        self.keep_to(&stated);
        Statement {
            account: Arc::clone(self),
            number,
        }
    }

    fn tune(&self) {
        self.keep_to(&self.lock());
    }

    /// Takes this dispatcher's share of the smallest of them: of connections one at least.
    fn keep_to(&self, stated: &Stated) {
        let dispatchers = self.dispatchers.0.load(Ordering::Relaxed);
        let limits = stated.all.iter().map(|(_, limits)| limits);
        let per_minute = limits.clone().filter_map(|it| it.per_minute).min();
        let connections = limits.filter_map(|it| it.connections).min();
        self.tempo.limit(per_minute, dispatchers);
        let share = connections.unwrap_or(CONNECTIONS) / dispatchers as usize;
        self.permits.set(share.max(1));
    }

    fn lock(&self) -> MutexGuard<'_, Stated> {
        // Each change of the list is one of a whole entry.
        self.stated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.account.tempo.opens_no_more(self.delivery_id);
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        let mut stated = self.account.lock();
        stated.all.retain(|(number, _)| *number != self.number);
        self.account.keep_to(&stated);
    }
}
