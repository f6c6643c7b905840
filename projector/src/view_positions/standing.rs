//! Where every view stands: read from the database, so that it is the same for every process that asks.

use serde::Serialize;
use tidings_event_store::{ReadError, Store};
use tidings_service::problem::chain;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::ToSchema;

use crate::registry::Registered;
use crate::stops::Stops;

/// A view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViewPosition {
    /// Its name.
    #[schema(example = "delivery_log")]
    pub view: String,
    /// current, behind, stopped: an event can not be folded, and the view stands still until somebody acts;
    /// or redefined: a later version of Tidings folds it, and this one leaves it alone.
    #[schema(example = "current")]
    pub state: String,
    /// Why it is stopped or redefined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The log is folded up to here.
    pub position: i64,
    /// Events yet to fold.
    pub lag: i64,
    /// The number of its definition; greater is later.
    pub fold: i32,
    /// How many times its table was made anew.
    pub generation: i32,
    /// Rows, as estimated by the database; null until it has counted for the first time.
    pub rows: Option<i64>,
    /// When it was last rebuilt; null when never.
    #[serde(with = "time::serde::rfc3339::option")]
    pub rebuilt_at: Option<OffsetDateTime>,
    /// The rebuild under way, or one that ended half way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<RebuildUnderWay>,
}

/// A rebuild of a view that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RebuildUnderWay {
    /// Whether somebody is at it; if not, the next rebuild goes on from what is staged.
    pub running: bool,
    /// What it has folded and staged, for good: the log up to here.
    pub staged: i64,
    /// On its way to here.
    pub head: i64,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
}

/// All views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViewPositions {
    /// The last position of the log.
    pub head: i64,
    /// The views, by name.
    pub items: Vec<ViewPosition>,
}

const SELECT: &str = "\
    select v.view, v.position, v.generation, v.fold, v.rebuilt_at, \
        (select coalesce(max(last_position), 0) from publishing_batches) as head, \
        (select nullif(c.reltuples, -1)::bigint from pg_class c \
            where c.oid = to_regclass('publishing_' || v.view || '_g' || v.generation)) as rows, \
        r.position as staged, r.head as staged_head, r.started_at, \
        exists (select from pg_locks l where l.locktype = 'advisory' and l.granted and l.objsubid = 1 \
            and l.database = (select oid from pg_database where datname = current_database()) \
            and ((l.classid::bigint << 32) | l.objid::bigint) = hashtext(v.view)::bigint) as running \
    from publishing_views v \
    left join publishing_rebuilds r on r.view = v.view and r.generation = v.generation + 1 \
    order by v.view";

/// Where all views stand. `known`: those that this build can fold; of others only the position is told.
/// `stops`: what this process knows besides.
///
/// # Errors
/// When the database does not answer.
pub async fn standings(
    store: &Store,
    known: &[Registered],
    stops: &Stops,
) -> Result<ViewPositions, ReadError> {
    let rows = store.log().query(SELECT, &[]).await?;
    let head = rows.first().map_or(0, |row| row.get("head"));
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.push(of_row(store, known, stops, row).await);
    }
    Ok(ViewPositions { head, items })
}

async fn of_row(store: &Store, known: &[Registered], stops: &Stops, row: &Row) -> ViewPosition {
    let view: String = row.get("view");
    let (head, position): (i64, i64) = (row.get("head"), row.get("position"));
    let fold: i32 = row.get("fold");
    let ours = known.iter().find(|it| it.name() == view);
    let (state, reason) = match ours {
        Some(ours) if ours.fold() < fold => ("redefined", Some(outdated(ours.fold(), fold))),
        _ => match halt(store, ours, stops, &view, (position, head)).await {
            Some(why) => ("stopped", Some(why)),
            None if head > position => ("behind", None),
            None => ("current", None),
        },
    };
    ViewPosition {
        state: state.to_owned(),
        reason,
        position,
        lag: (head - position).max(0),
        fold,
        generation: row.get("generation"),
        rows: row.get("rows"),
        rebuilt_at: row.get("rebuilt_at"),
        rebuild: rebuild(row),
        view,
    }
}

fn outdated(ours: i32, theirs: i32) -> String {
    format!("a version with fold {theirs} folds it; this one has fold {ours}: upgrade it")
}

/// Why a view stands still: as this process knows, or because the next event can not be folded, which any
/// process finds out by trying.
async fn halt(
    store: &Store,
    ours: Option<&Registered>,
    stops: &Stops,
    view: &str,
    (position, head): (i64, i64),
) -> Option<String> {
    if let Some(why) = stops.why(view) {
        return Some(why);
    }
    let ours = ours.filter(|_| head > position)?;
    match ours.poison(store, position + 1).await {
        Ok(poison) => poison.map(|error| chain(&error)),
        Err(error) => {
            tracing::debug!(view, error = %chain(&error), "the view's next event cannot be looked at");
            None
        }
    }
}

fn rebuild(row: &Row) -> Option<RebuildUnderWay> {
    Some(RebuildUnderWay {
        running: row.get("running"),
        staged: row.get::<_, Option<i64>>("staged")?,
        head: row.get("staged_head"),
        started_at: row.get("started_at"),
    })
}
