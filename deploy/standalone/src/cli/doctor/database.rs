//! The database: its clock, its schema, its oldest transaction, the keys in it, and how far the views are.

use deadpool_postgres::Pool;
use tidings_event_store::tokio_postgres::{Client, Error};
use tidings_event_store::vault::{Vault, VaultError};
use tidings_service::config::MasterKey;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Finding;
use crate::cli::Session;
use crate::platform::{MasterKeys, for_vault};

/// A transaction older than this holds back every vacuum.
const TRANSACTION_AGE_MAX_S: f64 = 60.0;
const CLOCK_SKEW_MAX_S: f64 = 1.0;
/// A view further behind than this has not kept up.
const LAG_MAX: i64 = 10_000;

const OLDEST: &str = "select coalesce(max(extract(epoch from clock_timestamp() - held.since)), 0)::float8, \
     coalesce(string_agg(held.who, ', ' order by held.since) \
              filter (where clock_timestamp() - held.since > $1 * interval '1 second'), '') \
     from (select xact_start as since, format('process %s (%s)', pid, application_name) as who \
           from pg_stat_activity where xact_start is not null and backend_type = 'client backend' \
             and pid <> pg_backend_pid() \
           union all \
           select prepared, format('prepared transaction %s', gid) from pg_prepared_xacts) held";
const SLOTS: &str =
    "select slot_name::text from pg_replication_slots where xmin is not null and not active";

/// Version, clock and oldest transaction.
pub(super) async fn server(session: &Session, client: &Client) -> Vec<Finding> {
    let looked = async {
        let row = client
            .query_one(
                "select current_setting('server_version'), clock_timestamp()",
                &[],
            )
            .await?;
        let skew = clock_skew(session.ground.clock.now(), row.get(1));
        let version: String = row.get(0);
        let row = client.query_one(OLDEST, &[&TRANSACTION_AGE_MAX_S]).await?;
        let slots = client.query(SLOTS, &[]).await?;
        let slots: Vec<String> = slots.iter().map(|row| row.get(0)).collect();
        let oldest = oldest(row.get(0), row.get::<_, &str>(1), &slots);
        let answers = format!("PostgreSQL {version} answers");
        Ok::<_, Error>(vec![Finding::well("database", answers), skew, oldest])
    };
    looked.await.unwrap_or_else(|error| {
        vec![Finding::failed(
            "database",
            &error,
            "see PostgreSQL's own log",
        )]
    })
}

fn clock_skew(here: OffsetDateTime, there: OffsetDateTime) -> Finding {
    let skew_s = (here - there).as_seconds_f64().abs();
    let found = format!("the database's clock and this machine's differ by {skew_s:.3} s");
    if skew_s > CLOCK_SKEW_MAX_S {
        Finding::ill(
            "clock",
            found,
            "set both clocks by NTP: times in the log come from both",
        )
    } else {
        Finding::well("clock", found)
    }
}

fn oldest(age_s: f64, who: &str, slots: &[String]) -> Finding {
    let remedy = "end it (pg_terminate_backend, ROLLBACK PREPARED or pg_drop_replication_slot): it holds back \
                  every vacuum, and the views grow slower and slower";
    if !who.is_empty() {
        let found = format!("{age_s:.0} s old: {who}");
        return Finding::ill("oldest snapshot", found, remedy);
    }
    if !slots.is_empty() {
        let found = format!("unused replication slots: {}", slots.join(", "));
        return Finding::ill("oldest snapshot", found, remedy);
    }
    Finding::well("oldest snapshot", format!("{age_s:.0} s old"))
}

/// Whether the schema is this build's; the second value tells if it can be worked with.
pub(super) async fn schema(client: &Client) -> (Finding, bool) {
    let newest = tidings_schema::MIGRATIONS.last().map_or(0, |it| it.number);
    let looked = async {
        let sql = "select to_regclass('publishing_migrations') is not null";
        if !client.query_one(sql, &[]).await?.get::<_, bool>(0) {
            return Ok(0);
        }
        let sql = "select coalesce(max(number), 0) from publishing_migrations";
        Ok::<i32, Error>(client.query_one(sql, &[]).await?.get(0))
    };
    match looked.await {
        Ok(there) => (judge_schema(there, newest), there == newest),
        Err(error) => {
            let remedy = "check the rights of the database user";
            (Finding::failed("schema", &error, remedy), false)
        }
    }
}

fn judge_schema(there: i32, newest: i32) -> Finding {
    let found = format!("the database is at {there}, this version knows {newest}");
    match there.cmp(&newest) {
        std::cmp::Ordering::Equal => Finding::well("schema", format!("{there}, the newest")),
        std::cmp::Ordering::Less => Finding::ill("schema", found, "run `tidings migrate`"),
        std::cmp::Ordering::Greater => Finding::ill("schema", found, "upgrade this program"),
    }
}

/// Whether the master key opens what it must.
pub(super) async fn master_key(session: &Session, client: &Client, pool: &Pool) -> Finding {
    let masters = MasterKeys::of(&session.config, &session.ground);
    let place = masters.place();
    let name = "master key";
    let sql =
        "select key_id from publishing_keys where wrapped is not null order by created_at limit 1";
    let wrapped: Option<Uuid> = match client.query_opt(sql, &[]).await {
        Ok(row) => row.map(|row| row.get(0)),
        Err(error) => {
            return Finding::failed(name, &error, "check the rights of the database user");
        }
    };
    let put_back =
        "put the right key back from your backup: nothing in the log can be opened with another";
    match (masters.read().await, wrapped) {
        (Err(error), _) => Finding::failed(name, &error, put_back),
        (Ok(keys), None) if keys.is_empty() => {
            Finding::well(name, "none yet; the first start makes one")
        }
        (Ok(keys), Some(_)) if keys.is_empty() => {
            Finding::ill(name, format!("missing: {place}"), put_back)
        }
        (Ok(_), None) => Finding::well(name, format!("{place}; nothing is sealed yet")),
        (Ok(keys), Some(wrapped)) => match opens(pool, &masters, &keys, wrapped).await {
            Ok(true) => Finding::ill(
                name,
                "a change to another has not ended",
                "run `tidings keys rotate` again: it goes on where it was",
            ),
            Ok(false) => Finding::well(name, format!("{place} opens the keys in the database")),
            Err(error) => Finding::failed(name, &error, put_back),
        },
    }
}

/// Gives whether another master key is taking its place.
async fn opens(
    pool: &Pool,
    masters: &MasterKeys,
    keys: &[MasterKey],
    wrapped: Uuid,
) -> Result<bool, VaultError> {
    let keys = keys.iter().map(for_vault).collect();
    let vault = Vault::with_source(pool.clone(), keys, masters.for_vault());
    vault.keys(&[wrapped]).await?;
    Ok(vault.status().await?.rotating)
}

/// Whether anything may be sent.
pub(super) async fn dispatch(client: &Client) -> Finding {
    let name = "dispatch";
    let sql = "select coalesce(max(position) filter (where type = 'log.Restored'), 0) \
                    > coalesce(max(position) filter (where type = 'log.DispatchReleased'), 0) \
               from publishing_events where stream_id = $1";
    match client
        .query_one(sql, &[&tidings_domain::stream_id::log()])
        .await
    {
        Ok(row) if row.get(0) => Finding::ill(
            name,
            "nothing is sent, because the log was restored",
            "see `tidings dispatch show`, cancel what must not go out, then `tidings dispatch release`",
        ),
        Ok(_) => Finding::well(name, "may send"),
        Err(error) => Finding::failed(name, &error, "check the rights of the database user"),
    }
}

/// How far the views are behind the log.
pub(super) async fn views(client: &Client) -> Finding {
    let sql = "select v.view, coalesce((select max(last_position) from publishing_batches), 0) - v.position \
               from publishing_views v order by v.view";
    match client.query(sql, &[]).await {
        Ok(rows) => {
            let lags: Vec<(String, i64)> =
                rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            judge_views(&lags)
        }
        Err(error) => Finding::failed("views", &error, "run `tidings migrate`"),
    }
}

fn judge_views(lags: &[(String, i64)]) -> Finding {
    let behind: Vec<String> = lags
        .iter()
        .filter(|(_, lag)| *lag > LAG_MAX)
        .map(|(view, lag)| format!("{view} is {lag} events behind"))
        .collect();
    if behind.is_empty() {
        let most = lags.iter().map(|(_, lag)| *lag).max().unwrap_or_default();
        return Finding::well(
            "views",
            format!("{} views, at most {most} events behind", lags.len()),
        );
    }
    let remedy = "see whether a platform runs (`tidings up`); if one does, `tidings rebuild VIEW` catches up at bulk speed";
    Finding::ill("views", behind.join(", "), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn clocks_may_differ_by_a_second() {
        let here = datetime!(2026-03-01 10:00 UTC);
        assert!(clock_skew(here, datetime!(2026-03-01 10:00:01 UTC)).well);
        assert!(!clock_skew(here, datetime!(2026-03-01 09:59:58 UTC)).well);
    }

    #[test]
    fn an_old_snapshot_is_named() {
        assert!(oldest(59.0, "", &[]).well);
        let finding = oldest(61.0, "process 7 (psql)", &[]);
        assert_eq!(finding.found, "61 s old: process 7 (psql)");
        assert!(!oldest(0.0, "", &["standby".to_owned()]).well);
    }

    #[test]
    fn a_schema_is_older_newer_or_right() {
        assert!(judge_schema(4, 4).well);
        let remedy = |there, newest| judge_schema(there, newest).remedy.unwrap_or_default();
        assert_eq!(remedy(0, 4), "run `tidings migrate`");
        assert_eq!(remedy(5, 4), "upgrade this program");
    }

    #[test]
    fn views_far_behind_are_named() {
        let lags = |lag| {
            [
                ("delivery_log".to_owned(), lag),
                ("channel_list".to_owned(), 0),
            ]
        };
        assert!(judge_views(&lags(LAG_MAX)).well);
        let found = judge_views(&lags(LAG_MAX + 1)).found;
        assert_eq!(found, "delivery_log is 10001 events behind");
    }
}
