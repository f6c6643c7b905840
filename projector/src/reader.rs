//! What every endpoint reads with: the views' tables, and how far the views have come.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tidings_event_store::vault::VaultError;
use tidings_event_store::view::{Reached, reached};
use tidings_event_store::witness::Folder;
use tidings_event_store::{LoadError, ReadError, Store};
use tidings_service::Problem;
use tidings_service::hindrance::{Hindrance, Hindrances};
use tidings_service::look::{Look, Looker, RecordLook, Seen};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::registry::{Registered, VIEWS};
use crate::stops::Stops;

const RETRY_AFTER_S: u64 = 1;
/// Files of many subscribers that are being handed out at once.
const BULK_MAX: usize = 4;
const BULK_RETRY_AFTER_S: u64 = 30;
/// Classes of the server's codes: it lacks disk, memory or connections; it was stopped, crashed, or was told to cancel.
const GAVE_UP: [&str; 2] = ["53", "57"];

/// What somebody's erasure waits for, in words, as whoever erases in this process has found it last.
pub type ErasureWaits = Arc<dyn Fn(Uuid) -> Option<String> + Send + Sync>;

/// Shared by all endpoints as `web::Data<Reader>`. A cheap handle.
#[derive(Clone)]
pub struct Reader {
    store: Store,
    stops: Stops,
    patience: Duration,
    views: Vec<Registered>,
    record_look: Option<RecordLook>,
    erasure_waits: Option<ErasureWaits>,
    hindrances: Option<Hindrances>,
    witness: Option<Folder>,
    engagement_months: Option<u32>,
    bulk: Arc<Semaphore>,
}

impl Reader {
    /// `stops` of the projector of this process (or none), `patience`: how long `?at_least=` waits.
    pub fn new(store: Store, stops: Stops, patience: Duration) -> Self {
        Self {
            store,
            stops,
            patience,
            views: VIEWS.to_vec(),
            record_look: None,
            erasure_waits: None,
            hindrances: None,
            witness: None,
            engagement_months: None,
            bulk: Arc::new(Semaphore::new(BULK_MAX)),
        }
    }

    /// Shows personal data, once it is on record through this who looks. Without it they are not shown.
    #[must_use]
    pub fn with_looks(mut self, record_look: RecordLook) -> Self {
        self.record_look = Some(record_look);
        self
    }

    /// Tells what erasures wait for.
    #[must_use]
    pub fn with_erasures(mut self, waits: ErasureWaits) -> Self {
        self.erasure_waits = Some(waits);
        self
    }

    /// None: nothing is known to be in its way.
    pub(crate) fn erasure_waits_for(&self, subscriber_id: Uuid) -> Option<String> {
        self.erasure_waits.as_ref()?(subscriber_id)
    }

    /// Tells what hinders channels, as whoever delivers in this process finds it.
    #[must_use]
    pub fn with_hindrances(mut self, hindrances: Hindrances) -> Self {
        self.hindrances = Some(hindrances);
        self
    }

    /// Of these channels; none: nothing is known against any.
    pub(crate) async fn hindrances(&self, channels: &[Uuid]) -> HashMap<Uuid, Hindrance> {
        match &self.hindrances {
            Some(hindrances) if !channels.is_empty() => hindrances(channels.to_vec()).await,
            _ => HashMap::new(),
        }
    }

    /// Proves with what lies in this folder of the witness.
    #[must_use]
    pub fn with_witness(mut self, folder: Folder) -> Self {
        self.witness = Some(folder);
        self
    }

    /// Says until when the evidence of engagement is kept: for so many whole months after that of a hit.
    #[must_use]
    pub fn with_engagement_kept(mut self, months: u32) -> Self {
        self.engagement_months = Some(months);
        self
    }

    /// None: nobody has said.
    pub(crate) fn engagement_months(&self) -> Option<u32> {
        self.engagement_months
    }

    /// A place among those that hand out a file of many subscribers, until it is dropped.
    ///
    /// # Errors
    /// 503 while all are taken.
    pub(crate) fn bulk(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.bulk.clone().try_acquire_owned().map_err(|_| {
            let detail = format!(
                "{BULK_MAX} exports of subscribers are under way in this process, which is the most there are at once."
            );
            Problem::unavailable(detail, BULK_RETRY_AFTER_S, None)
        })
    }

    pub(crate) fn witness(&self) -> Option<&Folder> {
        self.witness.as_ref()
    }

    /// Tells of these views too, which are another room's.
    #[must_use]
    pub fn with_views(mut self, others: &[Registered]) -> Self {
        self.views.extend(others);
        self
    }

    pub(crate) fn views(&self) -> &[Registered] {
        &self.views
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn stops(&self) -> &Stops {
        &self.stops
    }

    /// Waits until all of these views have come to a position, and says how far the last of them is: read
    /// before the rows, so that they are at least as new.
    pub(crate) async fn position(
        &self,
        views: &[&'static str],
        at_least: Option<i64>,
    ) -> Result<i64, Problem> {
        let found = reached(self.store.log(), views, at_least, self.patience).await;
        match found.map_err(|error| unreadable(&error))? {
            Reached::At(position) => Ok(position),
            Reached::Behind(position) => Err(Problem::behind(position, at_least.unwrap_or(0))),
            Reached::Unborn => Err(Problem::view_unborn()),
        }
    }

    /// Puts a look on record; gives where it stands in the log.
    ///
    /// # Errors
    /// When it could not be: then nothing may be shown.
    pub(crate) async fn look(
        &self,
        by: Looker,
        subscriber_id: Uuid,
        seen: Seen,
    ) -> Result<i64, Problem> {
        self.look_at_all(by, vec![subscriber_id], seen).await
    }

    /// The same of several, each once and at most a commit's worth of them.
    ///
    /// # Errors
    /// When it could not be: then nothing of any of them may be shown.
    pub(crate) async fn look_at_all(
        &self,
        by: Looker,
        subscriber_ids: Vec<Uuid>,
        seen: Seen,
    ) -> Result<i64, Problem> {
        let Some(record) = &self.record_look else {
            let missing = io::Error::other("nobody puts looks on record");
            return Err(Problem::internal(&missing));
        };
        let look = Look {
            by,
            subscriber_ids,
            seen,
        };
        record(look).await
    }

    /// Rows of a query.
    pub(crate) async fn rows(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Problem> {
        let rows = self.store.log().query(sql, params).await;
        rows.map_err(|error| unreadable(&error))
    }

    /// Rows of a query that is put together anew each time.
    pub(crate) async fn rows_once(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Problem> {
        let rows = self.store.log().query_once(sql, params).await;
        rows.map_err(|error| unreadable(&error))
    }
}

/// The log or a view could not be read.
pub(crate) fn unreadable(error: &ReadError) -> Problem {
    match error {
        ReadError::Pool(source) => no_database(source),
        ReadError::NoAnswer => no_database(error),
        ReadError::Database(source) if is_away(source) => no_database(source),
        ReadError::Database(_) | ReadError::Garbled | ReadError::WentBack { .. } => {
            Problem::internal(error)
        }
    }
}

/// A stream could not be read or folded.
pub(crate) fn unloadable(error: &LoadError) -> Problem {
    match error {
        LoadError::Read(error) => unreadable(error),
        LoadError::Vault(error) => no_keys(error),
        LoadError::Codec { .. } if error.is_of_a_later_build() => Problem::later_build(),
        LoadError::Codec { .. } => Problem::internal(error),
    }
}

/// Keys could not be had.
pub(crate) fn no_keys(error: &VaultError) -> Problem {
    match error {
        VaultError::Pool(source) => no_database(source),
        VaultError::NoAnswer => no_database(error),
        VaultError::Database(source) if is_away(source) => no_database(source),
        _ => Problem::internal(error),
    }
}

/// Whether the connection broke or the server gave the question up, and not the question is wrong.
fn is_away(error: &tokio_postgres::Error) -> bool {
    let broke = error.source().is_some_and(<dyn StdError>::is::<io::Error>);
    let gave_up = |code: &SqlState| GAVE_UP.iter().any(|class| code.code().starts_with(class));
    broke || error.is_closed() || error.code().is_some_and(gave_up)
}

fn no_database(error: &(dyn StdError + 'static)) -> Problem {
    tracing::warn!(error = %tidings_service::problem::chain(error), "no connection to the database");
    Problem::unavailable("The database does not answer.", RETRY_AFTER_S, None)
}
