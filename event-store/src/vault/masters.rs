//! The master keys at hand, and where more come from when a key names one that is not.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

use super::VaultError;
use super::master::{MasterId, MasterKey};

/// A source that did not have a master key is not asked for it again before this.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Gives all master keys there are at the moment: one, or two while one takes the other's place.
pub type MasterSource =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<MasterKey>, SourceError>> + Send + Sync>;

/// Why a source gives no master key; its words are for an operator.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Master keys by id, read anew from their source when one is missing.
pub(super) struct Masters {
    known: RwLock<Known>,
    source: Option<MasterSource>,
    /// Master keys the source was asked for, and when.
    asked: Mutex<HashMap<MasterId, Instant>>,
}

struct Known {
    keys: Vec<Arc<MasterKey>>,
    /// The one to wrap new keys with, as far as this process knows.
    in_use: Option<MasterId>,
}

impl Masters {
    pub(super) fn new(keys: Vec<MasterKey>, source: Option<MasterSource>) -> Self {
        let keys: Vec<_> = keys.into_iter().map(Arc::new).collect();
        let in_use = keys.first().map(|key| key.id());
        Self {
            known: RwLock::new(Known { keys, in_use }),
            source,
            asked: Mutex::default(),
        }
    }

    /// The one to wrap new keys with. The database refuses what any other has wrapped.
    pub(super) async fn in_use(&self) -> Result<Arc<MasterKey>, VaultError> {
        let id = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.in_use.ok_or(VaultError::NoMasterKey)?
        };
        self.get(id).await
    }

    /// From now on new keys are wrapped with this one.
    pub(super) async fn use_from_now(&self, id: MasterId) -> Result<(), VaultError> {
        self.get(id).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.in_use = Some(id);
        Ok(())
    }

    /// The ids of those at hand.
    pub(super) fn ids(&self) -> Vec<MasterId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.keys.iter().map(|key| key.id()).collect()
    }

    /// The master key of this name; the source is asked once if it is not at hand.
    pub(super) async fn get(&self, id: MasterId) -> Result<Arc<MasterKey>, VaultError> {
        if let Some(key) = self.at_hand(id) {
            return Ok(key);
        }
        let mut asked = self.asked.lock().await;
        // Somebody else may have asked while this one waited.
        if let Some(key) = self.at_hand(id) {
            return Ok(key);
        }
        let missing = VaultError::WrongMasterKey(id);
        let lately = |since: &Instant| since.elapsed() < ASK_AGAIN_AFTER;
        let Some(source) = &self.source else {
            return Err(missing);
        };
        if asked.get(&id).is_some_and(lately) {
            return Err(missing);
        }
        asked.retain(|_, since| lately(since));
        asked.insert(id, Instant::now());
        let keys = source().await.map_err(VaultError::Source)?;
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.keys = keys.into_iter().map(Arc::new).collect();
        }
        self.at_hand(id).ok_or(missing)
    }

    fn at_hand(&self, id: MasterId) -> Option<Arc<MasterKey>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.keys.iter().find(|key| key.id() == id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::new(&[byte; 32]).unwrap()
    }

    #[tokio::test]
    async fn a_source_is_asked_once_for_what_it_does_not_have() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let source: MasterSource = Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(vec![key(1), key(2)]) })
        });
        let masters = Masters::new(vec![key(1)], Some(source));
        let times = || asked.load(Ordering::Relaxed);
        assert_eq!(masters.in_use().await.unwrap().id(), key(1).id());
        assert_eq!(times(), 0);
        masters.use_from_now(key(2).id()).await.unwrap();
        assert_eq!(masters.in_use().await.unwrap().id(), key(2).id());
        assert_eq!(times(), 1);
        for _ in 0..3 {
            let missing = masters.get(key(3).id()).await.err();
            assert!(matches!(missing, Some(VaultError::WrongMasterKey(id)) if id == key(3).id()));
        }
        assert_eq!(times(), 2);
    }

    #[tokio::test]
    async fn a_source_that_fails_says_why() {
        let source: MasterSource = Arc::new(|| Box::pin(async { Err("no network".into()) }));
        let masters = Masters::new(vec![key(1)], Some(source));
        let error = masters.get(key(2).id()).await.err().unwrap();
        assert!(matches!(&error, VaultError::Source(why) if why.to_string() == "no network"));
        assert!(error.is_temporary());
        assert!(masters.get(key(1).id()).await.is_ok());
    }
}
