//! The chunks of a file until they are worked off: rows of a table, sealed under a key of the file's own, which is
//! destroyed with them. So whoever is erased later is in no copy of the file either.

use bytes::Bytes;
use prost::Message as _;
use tidings_domain::id::derive_from;
use tidings_domain::personal::{Open as _, Seal as _};
use tidings_event_store::tokio_postgres::types::ToSql;
use tidings_event_store::vault::{EventOpener, EventSealer, KeyRing, VaultError};
use tidings_event_store::{Log, ReadError, Store, in_time};
use tidings_proto::common::Sealed;
use time::OffsetDateTime;
use uuid::Uuid;

use super::file::{Chunks, NotTaken, Row};

/// Stands where an event's type does when a chunk is sealed; no event has it.
const SEALED_AS: &str = "subscriber_import.chunk";
const FIELD: &str = "records";

/// A statement that stores chunks has so many bytes of them, and what the last one has more.
const STATEMENT_BYTES: usize = 256 << 10;

/// Imports looked at in one go.
const PENDING_MAX: i64 = 64;

/// A file made ready to be stored.
pub(super) struct Prepared {
    /// Records in the file.
    pub(super) records: u64,
    /// After how many records each chunk stands, and it.
    chunks: Vec<(i64, Vec<u8>)>,
}

impl Prepared {
    /// What each statement stores: a connection never gives back the memory that its largest one took.
    fn statements(&self) -> impl Iterator<Item = &[(i64, Vec<u8>)]> {
        let mut bytes = 0;
        self.chunks.chunk_by(move |(_, chunk), _| {
            bytes += chunk.len();
            let more = bytes < STATEMENT_BYTES;
            bytes *= usize::from(more);
            more
        })
    }
}

/// An import whose chunks are still there.
pub(super) struct Pending {
    pub(super) import_id: Uuid,
    pub(super) received_at: OffsetDateTime,
}

/// Why a stored chunk could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoredError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Its bytes changed, its key is gone, or another version wrote it.
    #[error("the stored chunk after record {after_records} of import {import_id} can not be read")]
    Unreadable { import_id: Uuid, after_records: u64 },
}

/// Judges and seals a file. Takes long for a large one: not for an async thread.
///
/// # Errors
/// [`NotTaken`], when there is nothing to import.
pub(super) fn prepare(file: &[u8], import_id: Uuid, keys: &KeyRing) -> Result<Prepared, NotTaken> {
    let mut prepared = Prepared {
        records: 0,
        chunks: Vec::new(),
    };
    for rows in Chunks::open(file)? {
        let text = serde_json::to_vec(&rows).expect("rows are plain data");
        let sealed = EventSealer::new(
            keys,
            file_key(import_id),
            import_id,
            chunk_id(import_id, prepared.records),
            SEALED_AS,
        )
        .seal(FIELD, &text);
        let after_records = prepared.records as i64;
        prepared
            .chunks
            .push((after_records, sealed.encode_to_vec()));
        prepared.records += rows.len() as u64;
    }
    Ok(prepared)
}

/// The key that an import's file is sealed under until it is worked off.
pub(super) fn file_key(import_id: Uuid) -> Uuid {
    derive_from(import_id, "subscriber_import.file", &[])
}

/// Bound to the ciphertext, so that a chunk opens in its own place only.
fn chunk_id(import_id: Uuid, after_records: u64) -> Uuid {
    derive_from(
        import_id,
        "subscriber_import.chunk",
        &[&after_records.to_be_bytes()],
    )
}

/// Stores all chunks or none. A file that is stored already stays as it is.
pub(super) async fn insert(
    log: &Log,
    import_id: Uuid,
    file_digest: &[u8; 32],
    prepared: &Prepared,
    now: OffsetDateTime,
) -> Result<(), ReadError> {
    let sql = "insert into publishing_import_chunks (import_id, file_digest, after_records, received_at, records) \
               select $1, $2, c.after_records, $3, c.records \
                   from unnest($4::bigint[], $5::bytea[]) as c(after_records, records) on conflict do nothing";
    let mut client = in_time(async { Ok(log.pool().get().await?) }).await?;
    let transaction = in_time(async { Ok(client.transaction().await?) }).await?;
    for chunks in prepared.statements() {
        let (starts, chunks): (Vec<i64>, Vec<&[u8]>) = chunks
            .iter()
            .map(|(after_records, chunk)| (*after_records, chunk.as_slice()))
            .unzip();
        let values: [&(dyn ToSql + Sync); 5] =
            [&import_id, &file_digest.as_slice(), &now, &starts, &chunks];
        in_time(async {
            let statement = transaction.prepare_cached(sql).await?;
            Ok(transaction.execute(&statement, &values).await?)
        })
        .await?;
    }
    in_time(async { Ok(transaction.commit().await?) }).await
}

/// The imports under way, oldest first.
pub(super) async fn pending(log: &Log) -> Result<Vec<Pending>, ReadError> {
    let sql = "select import_id, max(received_at) from publishing_import_chunks where after_records = 0 \
               group by import_id order by min(received_at), import_id limit $1";
    let rows = log.query(sql, &[&PENDING_MAX]).await?;
    Ok(rows
        .iter()
        .map(|row| Pending {
            import_id: row.get(0),
            received_at: row.get(1),
        })
        .collect())
}

/// The rows that follow the first `after_records` of a file; empty past its end.
pub(super) async fn chunk(
    store: &Store,
    import_id: Uuid,
    file_digest: &[u8; 32],
    after_records: u64,
) -> Result<Vec<Row>, StoredError> {
    let unreadable = || StoredError::Unreadable {
        import_id,
        after_records,
    };
    let Some(bytes) = sealed_chunk(store.log(), import_id, file_digest, after_records).await?
    else {
        return Ok(Vec::new());
    };
    let keys = store.vault().keys(&[file_key(import_id)]).await?;
    let sealed = Sealed::decode(Bytes::from(bytes)).map_err(|_| unreadable())?;
    let text = EventOpener::new(
        &keys,
        import_id,
        chunk_id(import_id, after_records),
        SEALED_AS,
    )
    .open(FIELD, &sealed)
    .ok()
    .flatten()
    .ok_or_else(unreadable)?;
    serde_json::from_slice(&text).map_err(|_| unreadable())
}

async fn sealed_chunk(
    log: &Log,
    import_id: Uuid,
    file_digest: &[u8; 32],
    after_records: u64,
) -> Result<Option<Vec<u8>>, ReadError> {
    let after_records = i64::try_from(after_records).unwrap_or(i64::MAX);
    let sql = "select records from publishing_import_chunks \
               where import_id = $1 and file_digest = $2 and after_records = $3";
    let values: [&(dyn ToSql + Sync); 3] = [&import_id, &file_digest.as_slice(), &after_records];
    let rows = log.query(sql, &values).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Destroys the key of an import's file, and deletes whatever is stored of it.
pub(super) async fn delete(
    store: &Store,
    import_id: Uuid,
    now: OffsetDateTime,
) -> Result<(), StoredError> {
    store.vault().shred(&[file_key(import_id)], now).await?;
    let sql = "delete from publishing_import_chunks where import_id = $1";
    store.log().query(sql, &[&import_id]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_event_store::vault::DataKey;

    #[test]
    fn a_chunk_opens_in_its_own_place_only() {
        let import_id = Uuid::from_u128(5);
        let mut keys = KeyRing::default();
        keys.insert(file_key(import_id), Some(DataKey::from_bytes([3; 32])));
        let file = format!("email\n{}", "x\n".repeat(501));
        let prepared = prepare(file.as_bytes(), import_id, &keys).unwrap();
        assert_eq!((prepared.records, prepared.chunks.len()), (501, 2));
        assert_eq!(prepared.chunks[1].0, 500);
        let open = |chunk: &[u8], after_records| {
            let sealed = Sealed::decode(Bytes::copy_from_slice(chunk)).unwrap();
            EventOpener::new(
                &keys,
                import_id,
                chunk_id(import_id, after_records),
                SEALED_AS,
            )
            .open(FIELD, &sealed)
        };
        let rows: Vec<Row> =
            serde_json::from_slice(&open(&prepared.chunks[1].1, 500).unwrap().unwrap()).unwrap();
        assert_eq!(rows[0].line, 502);
        assert!(open(&prepared.chunks[1].1, 0).is_err());
    }

    #[test]
    fn a_large_file_is_stored_by_statements_of_no_great_size() {
        let chunk = |n: i64| (n, vec![0; 100 << 10]);
        let prepared = Prepared {
            records: 11,
            chunks: (0..11).map(chunk).collect(),
        };
        let stored = prepared.statements().collect::<Vec<_>>();
        assert_eq!(
            stored.iter().map(|it| it.len()).collect::<Vec<_>>(),
            [3, 3, 3, 2]
        );
        assert_eq!(stored.concat(), prepared.chunks);
    }
}
