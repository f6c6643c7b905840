-- Deliveries of each publication and channel by class. Each class is counted, none is a difference.
-- Raise the number when its sums change: fold 2.
create table {table} (
    publication_id uuid   not null,
    channel_id     uuid   not null,
    planned        bigint not null,
    pending        bigint not null,
    sent           bigint not null,
    failed         bigint not null,
    suppressed     bigint not null,
    cancelled      bigint not null,
    in_doubt       bigint not null,
    delivered      bigint not null,            -- these three are no classes: what was said afterwards
    bounced        bigint not null,
    complained     bigint not null,
    primary key (publication_id, channel_id)
);
