-- What the write side keeps beside the log: who has written to it, and files of subscribers until
-- they are worked off.

-- The readable name behind an actor `user:<principal_id>`. Insert-only.
create table publishing_principals (
    principal_id  uuid        not null primary key,
    issuer        text        not null,
    subject       text        not null,
    first_seen_at timestamptz not null
);

-- A file under way, in chunks, sealed under the import's key. Inserted before the import's first event
-- is committed, deleted after its last one; never updated. Chunks whose digest is not the one the
-- first event names belong to a request that lost, and are deleted too.
create table publishing_import_chunks (
    import_id     uuid        not null,
    file_digest   bytea       not null,
    after_records bigint      not null,       -- records of the file that stand before this chunk
    received_at   timestamptz not null,
    records       bytea       not null,       -- a serialized tidings.common.Sealed
    primary key (import_id, file_digest, after_records)
);

-- The imports under way, oldest first.
create index publishing_import_chunks_first on publishing_import_chunks (received_at, import_id)
    where after_records = 0;

-- Ciphertext does not compress.
alter table publishing_import_chunks alter column records set storage external;
