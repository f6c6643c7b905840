-- Each publication and how far it has come. Raise the number when its fold changes: fold 5.
create table {table} (
    publication_id   uuid    not null primary key,
    title            text,                       -- opened; null once it was taken down
    state            text,                       -- draft, scheduled, published, frozen, planned, completed, cancelled
    content_version  integer,                    -- stream version of the content that goes out
    channel_ids      jsonb,                      -- array of uuids, in the editor's order
    topic_ids        jsonb,                      -- array of uuids; empty: for everybody
    segment_ids      jsonb,                      -- array of uuids: only whom any picks; empty: everybody
    excluded_segment_ids jsonb,                  -- array of uuids
    priority         text,                       -- urgent; empty: ordinary
    created_position bigint,                     -- its Drafted event: the order of the list
    created_at       timestamptz,
    published_at     timestamptz,
    completed_at     timestamptz,                -- the last time
    cancelled_at     timestamptz,
    cancel_reason    text,
    local_time       text,                       -- when it goes out by itself: what a clock shows
    zone             text,                       -- there
    scheduled_at     timestamptz,                -- the instant that was when it was scheduled
    missed_reason    text,                       -- why it did not go out at its time: late, restored; or empty
    paused_reason    text,                       -- why nothing goes out for now; or empty
    retries          integer not null,           -- asked for, and not put into effect yet
    under_way_since  bigint,                     -- the event after which a completion is the last word
    completed_position bigint,                   -- the last one
    subscribers      bigint,                     -- in the frozen audience
    deliveries       bigint,                     -- to plan, as frozen
    planned          bigint,
    not_planned      bigint,                     -- left out by a cancellation
    version          integer not null,
    position         bigint  not null
);
-- indexes
create index {table}_created on {table} (created_position);
-- Those that something is still to be done about, which is asked several times a second; the others stay for good.
create index {table}_open on {table} (state)
    where state in ('scheduled', 'published', 'frozen', 'planned')
       or (state = 'cancelled' and deliveries is not null and coalesce(completed_position, 0) < under_way_since);
