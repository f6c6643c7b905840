-- Who looked at whose data, and who took them along in a file. The words of whoever looked stay sealed in the log.
-- Raise the number when its fold changes: fold 1.
create table {table} (
    position      bigint      not null primary key,
    subscriber_id uuid        not null,             -- whose data
    actor         text        not null,             -- who looked
    what          text        not null,             -- profile, search, timeline, export
    at            timestamptz not null,
    digest        bytea,                            -- of the file; null: a look
    events        bigint                            -- that the file tells of
);
-- indexes
create index {table}_subscriber on {table} (subscriber_id, position);
create index {table}_actor on {table} (actor, position);
