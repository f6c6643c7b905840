-- Each publication and how far it has come. Raise the number when its fold changes: fold 1.
create table {table} (
    publication_id   uuid    not null primary key,
    title            text,                       -- opened; null once it was taken down
    state            text    not null,           -- draft, published, frozen, planned, completed, cancelled
    content_version  integer,                    -- stream version of the content that goes out
    channel_ids      jsonb,                      -- array of uuids, in the editor's order
    created_position bigint,                     -- its Drafted event: the order of the list
    created_at       timestamptz,
    published_at     timestamptz,
    completed_at     timestamptz,
    cancelled_at     timestamptz,
    cancel_reason    text,
    subscribers      bigint,                     -- in the frozen audience
    deliveries       bigint,                     -- to plan, as frozen
    planned          bigint,
    not_planned      bigint,                     -- left out by a cancellation
    version          integer not null,
    position         bigint  not null
);
-- indexes
create index {table}_created on {table} (created_position);
