-- What readers did with the messages of each publication and channel. Raise the number when its sums change: fold 1.
create table {table} (
    publication_id uuid   not null,
    channel_id     uuid   not null,
    opened         bigint not null,                -- deliveries that people opened, or followed a link of
    clicked        bigint not null,                -- deliveries that people followed a link of
    machine_only   bigint not null,                -- deliveries that only programs fetched anything of
    opens          bigint not null,
    machine_opens  bigint not null,
    clicks         bigint not null,
    machine_clicks bigint not null,
    primary key (publication_id, channel_id)
);
