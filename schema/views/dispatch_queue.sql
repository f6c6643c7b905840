-- What is left to deliver: one row a planned delivery that is not settled. The dispatcher's own view.
-- Raise the number when its fold changes: fold 8.
create table {table} (
    delivery_id      uuid        not null primary key,
    cause_kind       text,                 -- publication, notice
    cause_id         uuid,
    content_version  integer,
    channel_id       uuid,
    subscriber_id    uuid,                 -- null for a broadcast delivery
    lane             integer,
    correlation_id   uuid,                 -- of the request that set it off
    traceparent      text,
    planned_position bigint,
    priority         integer,
    planned_at       timestamptz,
    due_at           timestamptz,
    put_off_for      text,                 -- channel: the way there, the receiving side as a whole, our settings; pace: it asks for fewer; or itself; null: it goes at once
    put_off_reason   text,                 -- why, a code
    put_off_at       timestamptz,
    put_off_since    timestamptz,          -- when it was first put off for the channel, since it was planned or reopened
    attempt          integer     not null, -- attempts made so far
    abandons         integer     not null, -- those of them that were abandoned
    open_attempt     integer     not null, -- the attempt without an outcome; 0: none
    open_instance    uuid,
    open_deadline_at timestamptz,
    version          integer     not null,
    position         bigint      not null,
    settled          boolean     not null  -- rows that are settled are deleted
);
-- indexes
create index {table}_due on {table} (priority desc, due_at, delivery_id) where open_attempt = 0;
create index {table}_open on {table} (open_deadline_at) where open_attempt > 0;
create index {table}_cause on {table} (cause_id);
create index {table}_channel on {table} (channel_id, position) where put_off_for in ('channel', 'pace');
create index {table}_later on {table} (subscriber_id, delivery_id) where put_off_for is not null;
