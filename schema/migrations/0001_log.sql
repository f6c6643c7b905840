-- The log: events, their batches, and the keys that seal personal data inside them.

-- One row a recorded event. Positions are dense and commit-ordered, versions contiguous per stream.
create table publishing_events (
    position       bigint      not null primary key,
    stream_id      uuid        not null,
    version        integer     not null,
    event_id       uuid        not null,
    type           text        not null collate "C",
    subject        uuid,                      -- the subscriber a stream is about, as its first event names it
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null,
    actor          text        not null collate "C",
    correlation_id uuid        not null,
    causation      bigint,                    -- position of the event that caused this one
    metadata       bytea       not null,
    payload        bytea       not null,
    digest         bytea       not null       -- over all of the above but position, version, recorded_at
);

-- Random access by stream; also what makes a version unique.
create unique index publishing_events_stream on publishing_events (stream_id, version);

-- Export and erasure find a subject's streams here.
create index publishing_events_subject on publishing_events (subject) where subject is not null;

-- Payloads are small or already compressed; compressing them again costs every commit.
alter table publishing_events alter column payload set storage external;
alter table publishing_events alter column metadata set storage external;
-- Insert-only: vacuum has nothing to reclaim and only needs to freeze and set the visibility map.
alter table publishing_events set (autovacuum_vacuum_insert_scale_factor = 0.05);

-- One row a batch, never updated; the last row is the head of the log.
create table publishing_batches (
    last_position  bigint      not null primary key,
    first_position bigint      not null,
    previous_hash  bytea       not null,
    hash           bytea       not null,
    committed_at   timestamptz not null,
    incarnation    uuid        not null
);

-- A log that was restored from a backup goes on under a new incarnation.
create table publishing_incarnations (
    incarnation    uuid        not null primary key,
    ordinal        integer     not null unique,
    after_position bigint      not null,
    started_at     timestamptz not null
);

insert into publishing_incarnations (incarnation, ordinal, after_position, started_at)
values (gen_random_uuid(), 1, 0, clock_timestamp());

-- Keys of subjects, channels and imports, wrapped by the master key that never enters the database.
-- An empty `wrapped` is a tombstone: the key was shredded and can not come back.
create table publishing_keys (
    key_id      uuid        not null primary key,
    wrapped     bytea,
    created_at  timestamptz not null,
    shredded_at timestamptz,
    check ((wrapped is null) = (shredded_at is not null))
);
