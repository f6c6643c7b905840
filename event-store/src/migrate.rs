//! Brings a database to the schema this build knows. Safe to run by several processes at once.

use tidings_schema::MIGRATIONS;
use tokio_postgres::Client;

/// Why a database could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database refused a step; nothing of that step stays.
    #[error("migration {number} ({name}) failed")]
    Step {
        /// The migration's number; 0 for the bookkeeping around them.
        number: i32,
        /// The migration's name.
        name: &'static str,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A newer build has been here.
    #[error("the database is at schema {found}, this version knows up to {known}: upgrade Tidings")]
    TooNew {
        /// The database's schema number.
        found: i32,
        /// The newest this build has.
        known: i32,
    },
    /// Postgres older than 15.
    #[error("PostgreSQL {0} is too old: 15 to 18 are supported")]
    ServerTooOld(String),
}

const LEDGER: &str = "create table if not exists publishing_migrations \
     (number integer primary key, name text not null, applied_at timestamptz not null default clock_timestamp())";
const OLDEST_SERVER: i32 = 150_000;

/// Applies the migrations the database lacks; gives their numbers.
pub async fn migrate(client: &mut Client) -> Result<Vec<i32>, MigrateError> {
    let around = |source| MigrateError::Step {
        number: 0,
        name: "bookkeeping",
        source,
    };
    let row = client
        .query_one(
            "select current_setting('server_version_num')::int, current_setting('server_version')",
            &[],
        )
        .await
        .map_err(around)?;
    if row.get::<_, i32>(0) < OLDEST_SERVER {
        return Err(MigrateError::ServerTooOld(row.get(1)));
    }
    let transaction = client.transaction().await.map_err(around)?;
    // One process migrates at a time; the others find nothing left to do.
    transaction
        .batch_execute("select pg_advisory_xact_lock(7310575178592774516)")
        .await
        .map_err(around)?;
    transaction.batch_execute(LEDGER).await.map_err(around)?;
    let found: i32 = transaction
        .query_one(
            "select coalesce(max(number), 0) from publishing_migrations",
            &[],
        )
        .await
        .map_err(around)?
        .get(0);
    let known = MIGRATIONS.last().map_or(0, |migration| migration.number);
    if found > known {
        return Err(MigrateError::TooNew { found, known });
    }
    let mut applied = Vec::new();
    for migration in MIGRATIONS
        .iter()
        .filter(|migration| migration.number > found)
    {
        let step = |source| MigrateError::Step {
            number: migration.number,
            name: migration.name,
            source,
        };
        transaction
            .batch_execute(migration.sql)
            .await
            .map_err(step)?;
        transaction
            .execute(
                "insert into publishing_migrations (number, name) values ($1, $2)",
                &[&migration.number, &migration.name],
            )
            .await
            .map_err(step)?;
        applied.push(migration.number);
    }
    transaction.commit().await.map_err(around)?;
    Ok(applied)
}
