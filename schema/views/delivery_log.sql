-- What became of each delivery. class to settled_at are what readers ask for, judged from the columns
-- behind them, which is what the fold needs to merge. Raise the number when its fold changes: fold 4.
create table {table} (
    delivery_id     uuid    not null primary key,
    publication_id  uuid,
    channel_id      uuid,
    subscriber_id   uuid,                        -- null for a broadcast delivery
    class           text    not null,            -- pending, sent, failed, suppressed, cancelled, in_doubt
    status          text    not null,            -- the class once settled, before that the last event
    attempts        integer not null,
    reason          text,
    code            integer,
    due_at          timestamptz,
    planned_at      timestamptz,
    settled_at      timestamptz,
    feedback        text,                        -- delivered, bounced, complained: the gravest there was, never a class
    feedback_at     timestamptz,
    feedback_reason text,                        -- why it bounced, or the kind of complaint
    bounce          text,                        -- hard or soft
    reopened        integer not null,            -- how often somebody had it tried again
    doubted_attempt integer,                     -- the latest that was in doubt at any time, whatever came of it
    deferred_reason text,                        -- why it was put off last, since it was planned or reopened
    last_event      text    not null,
    last_reason     text,
    last_code       integer,
    outcome         text,                        -- the strongest outcome there was
    outcome_attempt integer,
    outcome_reason  text,
    outcome_code    integer,
    outcome_at      timestamptz,
    version         integer not null,
    position        bigint  not null
) with (fillfactor = 70);                        -- room for updates in place: no index names what changes
-- indexes
create index {table}_publication on {table} (publication_id, delivery_id);
