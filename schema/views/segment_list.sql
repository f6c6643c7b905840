-- What picks subscribers, by name. Raise the number when its fold changes: fold 2.
create table {table} (
    segment_id  uuid    not null primary key,
    slug        text,
    name        text,
    description text,                        -- empty: none
    conditions  jsonb,                       -- opened, as requests write them
    archived    boolean not null,
    version     integer not null,
    position    bigint  not null
);
