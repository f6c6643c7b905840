//! Finds a view where it stands, makes it where it is not there, and starts it over where its definition has changed.

use std::sync::Arc;

use deadpool_postgres::{GenericClient, Transaction};

use super::derived::Derivation;
use super::row::Merge;
use super::runner::Checkpoint;
use super::{Definition, View, ViewError};
use crate::crash_point;
use crate::store::Store;

/// Guards the creation of views against two processes starting at once.
const CREATE_LOCK: i64 = 7_310_575_178_592_774_518;

/// What becomes of a view in service that an earlier version has defined otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// It starts over. Only the first look of a process may do that: two versions side by side would start each other over
    /// for ever.
    StartOver,
    /// It goes on serving: its successor is being made beside it.
    Serves,
    /// It is left alone.
    Refused,
}

/// Reads the checkpoint; creates the view if there is none.
pub(super) async fn open<V: View>(
    store: &Store,
    derived: &[Arc<dyn Derivation<V::Row>>],
    earlier: Earlier,
) -> Result<Checkpoint, ViewError>
where
    V::Row: Merge,
{
    let view = V::DEFINITION.name;
    let wanted = Wanted {
        view,
        fingerprint: fingerprint(V::DEFINITION, derived),
        folds: folds(V::DEFINITION, derived),
        earlier,
    };
    let mut client = store.log().pool().get().await?;
    // Without the lock, or a process that is frozen while its views look would keep it from all others, for each of them
    // in turn.
    let (at, making) = match wanted.found(&client).await? {
        Some(at) => (at, None),
        None => {
            let transaction = client.transaction().await.map_err(ViewError::write(view))?;
            transaction
                .execute("select pg_advisory_xact_lock($1)", &[&CREATE_LOCK])
                .await
                .map_err(ViewError::write(view))?;
            let at = match wanted.found(&transaction).await? {
                Some(at) => at,
                None => make::<V>(&transaction, derived, &wanted).await?,
            };
            (at, Some(transaction))
        }
    };
    crash_point!("view.before_opened");
    if let Some(transaction) = making {
        transaction.commit().await.map_err(ViewError::write(view))?;
    }
    Ok(at)
}

/// The view as this process folds it.
struct Wanted {
    view: &'static str,
    fingerprint: String,
    folds: i32,
    earlier: Earlier,
}

impl Wanted {
    /// Where it stands; none: it is to be made, or to start over.
    async fn found(&self, client: &impl GenericClient) -> Result<Option<Checkpoint>, ViewError> {
        let (view, ours) = (self.view, self.folds);
        let row = client
            .query_opt(
                "select generation, position, definition, fold from publishing_views where view = $1",
                &[&view],
            )
            .await
            .map_err(ViewError::write(view))?;
        match row {
            Some(row) if row.get::<_, &str>(2) == self.fingerprint => {
                Ok(Some(Checkpoint::at(row.get(0), row.get(1))))
            }
            Some(row) if row.get::<_, i32>(3) > ours => {
                let theirs = row.get(3);
                Err(ViewError::Outdated { view, ours, theirs })
            }
            Some(row) => match self.earlier {
                Earlier::StartOver => Ok(None),
                Earlier::Serves => Ok(Some(Checkpoint::at(row.get(0), row.get(1)))),
                Earlier::Refused => Err(ViewError::Redefined { view }),
            },
            None => Ok(None),
        }
    }
}

/// Makes the view, or starts it over: it is behind until it has caught up, never wrong.
async fn make<V: View>(
    transaction: &Transaction<'_>,
    derived: &[Arc<dyn Derivation<V::Row>>],
    wanted: &Wanted,
) -> Result<Checkpoint, ViewError>
where
    V::Row: Merge,
{
    let view = wanted.view;
    let sql = "select generation from publishing_views where view = $1";
    let before = transaction.query_opt(sql, &[&view]).await;
    let before: Option<i32> = before
        .map_err(ViewError::write(view))?
        .map(|row| row.get(0));
    let generation = before.unwrap_or(0) + 1;
    let definitions = derived.iter().map(|derivation| derivation.definition());
    for definition in [V::DEFINITION].into_iter().chain(definitions) {
        create(transaction, &definition, generation, before)
            .await
            .map_err(ViewError::write(view))?;
    }
    transaction
        .execute(
            "insert into publishing_views (view, definition, generation, position, fold) \
             values ($1, $2, $3, 0, $4) on conflict (view) do update \
             set definition = $2, generation = $3, position = 0, fold = $4",
            &[&view, &wanted.fingerprint, &generation, &wanted.folds],
        )
        .await
        .map_err(ViewError::write(view))?;
    Ok(Checkpoint::at(generation, 0))
}

async fn create(
    transaction: &Transaction<'_>,
    definition: &Definition,
    generation: i32,
    before: Option<i32>,
) -> Result<(), tokio_postgres::Error> {
    definition.create(transaction, generation).await?;
    definition.create_indexes(transaction, generation).await?;
    definition.serve(transaction, generation, before).await
}

/// Changes when the DDL of the view or of one derived from it changes.
pub(super) fn fingerprint<R>(definition: Definition, derived: &[Arc<dyn Derivation<R>>]) -> String {
    let all = [definition]
        .into_iter()
        .chain(derived.iter().map(|derivation| derivation.definition()));
    all.map(|definition| definition.fingerprint())
        .collect::<Vec<_>>()
        .join("-")
}

/// The number of the view's definition and of those derived from it, added up: each is only ever raised.
/// When a derived one goes, the view's own number makes up for it.
pub(super) fn folds<R>(definition: Definition, derived: &[Arc<dyn Derivation<R>>]) -> i32 {
    let derived = derived.iter().map(|derivation| derivation.definition());
    [definition]
        .into_iter()
        .chain(derived)
        .map(|it| it.fold())
        .sum()
}

/// The number of a view's definition, those of the views derived from it included. One in service whose
/// number is greater is left alone.
pub fn fold_of<V: View>() -> i32
where
    V::Row: Merge,
{
    folds(V::DEFINITION, &V::derived())
}
