-- Settled deliveries of each publication and channel by the hour (UTC) they were settled in.
-- Raise the number when its sums change: fold 1.
create table {table} (
    publication_id uuid        not null,
    channel_id     uuid        not null,
    hour           timestamptz not null,
    sent           bigint      not null,
    failed         bigint      not null,
    suppressed     bigint      not null,
    cancelled      bigint      not null,
    in_doubt       bigint      not null,
    primary key (publication_id, channel_id, hour)
);
-- indexes
create index {table}_channel on {table} (channel_id, hour);
