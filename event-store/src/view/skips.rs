//! Positions a view skips because an operator said so: an event it can not fold leads to no rows in it,
//! live and in every rebuild. The word for it is in the log, so it survives the view.

use std::collections::{BTreeMap, BTreeSet};

use tidings_domain::log::{Command, Event, Log as Surroundings};
use tidings_domain::stream_id;
use tidings_domain::value::SkipReason;
use tidings_proto::EventMessage as _;
use tidings_proto::log::ViewSkipped;

use super::opening::fold_of;
use super::runner::fold;
use super::{Merge, View, ViewError};
use crate::event::Committed;
use crate::feed::Item;
use crate::store::{Context, ExecuteError, Store, understand};
use crate::vault::KeyRing;

/// Why an event was not skipped.
#[derive(Debug, thiserror::Error)]
pub enum SkipError {
    /// What it folds is acted upon.
    #[error(
        "{view} decides what is sent, so it must not overlook anything: upgrade to a version that can fold \
         the event"
    )]
    Never {
        /// The view.
        view: &'static str,
    },
    /// The view does not stand before that position.
    #[error(
        "the view {view} does not stand still at position {position}: it has folded up to {folded}"
    )]
    NotThere {
        /// The view.
        view: &'static str,
        /// What was to be skipped.
        position: i64,
        /// Where the view is.
        folded: i64,
    },
    /// Nothing is wrong with the event, as far as this version can tell.
    #[error("the view {view} can fold position {position}: only what stops a view is skipped")]
    Sound {
        /// The view.
        view: &'static str,
        /// What was to be skipped.
        position: i64,
    },
    /// The same intent has led to another skip before.
    #[error("the same request has had another event skipped before: ask anew")]
    OtherIntent,
    /// The view could not be looked at or moved.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The word for it did not get into the log.
    #[error("the log did not take it")]
    Execute(#[source] Box<ExecuteError<tidings_domain::log::Refusal>>),
}

/// The positions a view skips.
pub(super) async fn skipped<V: View>(store: &Store) -> Result<BTreeSet<i64>, ViewError> {
    Ok(on_record::<V>(store).await?.into_keys().collect())
}

/// The positions a view skips, and where that is on record, and since when.
async fn on_record<V: View>(store: &Store) -> Result<BTreeMap<i64, Committed>, ViewError> {
    let events = store.log().stream(stream_id::log()).await?;
    let mut skips = BTreeMap::new();
    // A later version may have written events there that this one need not know.
    for recorded in events
        .iter()
        .filter(|it| it.event_type == ViewSkipped::TYPE)
    {
        let poison = |source| ViewError::Poison {
            view: V::DEFINITION.name,
            position: recorded.position,
            source,
        };
        let past = understand::<Surroundings>(recorded, &KeyRing::default()).map_err(poison)?;
        let Event::ViewSkipped { view, position, .. } = past else {
            continue;
        };
        if view == V::DEFINITION.name {
            skips.entry(position).or_insert(Committed {
                first_position: recorded.position,
                last_position: recorded.position,
                recorded_at: recorded.recorded_at,
            });
        }
    }
    Ok(skips)
}

/// Puts on record that a view skips the event it stands still at, and moves it past; gives where that is.
/// Said twice, it is on record once. Whoever folds the
/// view meanwhile loses against the checkpoint that moves here, and looks again at what is skipped.
///
/// # Errors
/// When the view stands elsewhere, can fold the event after all, or must not skip anything.
pub async fn skip<V: View>(
    store: &Store,
    context: &Context,
    position: i64,
    reason: SkipReason,
) -> Result<Committed, SkipError>
where
    V::Row: Merge,
{
    let view = V::DEFINITION.name;
    if !V::MAY_SKIP {
        return Err(SkipError::Never { view });
    }
    if let Some(said) = on_record::<V>(store).await?.remove(&position) {
        return Ok(said);
    }
    let write = || ViewError::write(view);
    let mut client = store.log().pool().get().await.map_err(ViewError::from)?;
    let transaction = client.transaction().await.map_err(write())?;
    let sql = "select position from publishing_views where view = $1 for update";
    let row = transaction
        .query_opt(sql, &[&view])
        .await
        .map_err(write())?;
    let folded: i64 = row.map_or(0, |row| row.get(0));
    if folded + 1 != position {
        return Err(SkipError::NotThere {
            view,
            position,
            folded,
        });
    }
    if poison::<V>(store, position).await?.is_none() {
        return Err(SkipError::Sound { view, position });
    }
    let executed = store
        .execute::<Surroundings>(stream_id::log(), context, None, || Command::SkipInView {
            view: view.to_owned(),
            position,
            reason: reason.clone(),
            fold: fold_of::<V>(),
        })
        .await
        .map_err(|error| SkipError::Execute(Box::new(error)))?;
    // The intent may have been carried out before, for another event.
    if !executed.after.state.skipped_by(view).contains(&position) {
        return Err(SkipError::OtherIntent);
    }
    // Should this process die here, the view finds the word in the log when it stops at the event anew.
    transaction
        .execute(
            "update publishing_views set position = $2 where view = $1",
            &[&view, &position],
        )
        .await
        .map_err(write())?;
    transaction.commit().await.map_err(write())?;
    let at = executed.position();
    Ok(executed.committed.unwrap_or(Committed {
        first_position: at,
        last_position: at,
        recorded_at: context.occurred_at,
    }))
}

/// Why a view can not fold the event at a position; `None`: it can, or there is none.
///
/// # Errors
/// When the log or the keys can not be read.
pub async fn poison<V: View>(store: &Store, position: i64) -> Result<Option<ViewError>, ViewError>
where
    V::Row: Merge,
{
    let page = store.log().page_after(position - 1, 1).await?;
    let items: Vec<Item> = page
        .into_iter()
        .map(|recorded| Item::new(recorded, None))
        .collect();
    match fold::<V>(store, &items, &BTreeSet::new()).await {
        Ok(_) => Ok(None),
        Err(poison @ ViewError::Poison { .. }) => Ok(Some(poison)),
        Err(error) => Err(error),
    }
}
