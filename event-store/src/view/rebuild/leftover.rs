//! What a rebuild leaves whose process died while it wrote the new tables: nobody can go on with them, and they hold
//! what the view holds, readers' addresses too.

use std::sync::Arc;

use super::of_view;
use super::swap::definitions;
use crate::store::Store;
use crate::view::derived::Derivation;
use crate::view::{Definition, View, ViewError};

/// Drops the tables of the generation after this one, unless a rebuild is at work on them, or can go on with them.
pub(in crate::view) async fn drop_leftover<V: View>(
    store: &Store,
    derived: &[Arc<dyn Derivation<V::Row>>],
    generation: i32,
) -> Result<(), ViewError> {
    let (view, next) = (V::DEFINITION.name, generation + 1);
    let mut client = store.log().pool().get().await?;
    let transaction = of_view(view, client.transaction()).await?;
    // The lock is that of a rebuild.
    let abandoned = "select pg_try_advisory_xact_lock(hashtext($1)) and not exists \
                     (select from publishing_rebuilds where view = $1 and generation = $2)";
    let row = of_view(view, transaction.query_one(abandoned, &[&view, &next])).await?;
    if !row.get::<_, bool>(0) {
        return Ok(());
    }
    for definition in definitions::<V>(derived) {
        of_view(view, definition.discard(&transaction, next)).await?;
    }
    of_view(view, transaction.commit()).await
}

/// Drops what rebuilds of a view have left, also what one could go on with if no key had been destroyed meanwhile.
/// False: a rebuild is at work, and nothing is dropped.
///
/// # Errors
/// When the database does not take it.
pub async fn discard_staged(store: &Store, definition: Definition) -> Result<bool, ViewError> {
    let view = definition.name;
    let mut client = store.log().pool().get().await?;
    let transaction = of_view(view, client.transaction()).await?;
    // The lock is that of a rebuild.
    let lock = "select pg_try_advisory_xact_lock(hashtext($1))";
    let row = of_view(view, transaction.query_one(lock, &[&view])).await?;
    if !row.get::<_, bool>(0) {
        return Ok(false);
    }
    // In a statement of its own, behind the lock, and holding the row: whoever starts the view over writes it first.
    let sql = "select generation from publishing_views where view = $1 for update";
    let row = of_view(view, transaction.query_opt(sql, &[&view])).await?;
    if let Some(generation) = row.map(|row| row.get::<_, i32>(0)) {
        of_view(view, definition.discard(&transaction, generation + 1)).await?;
        let sql = "delete from publishing_rebuilds where view = $1";
        of_view(view, transaction.execute(sql, &[&view])).await?;
    }
    of_view(view, transaction.commit()).await?;
    Ok(true)
}
