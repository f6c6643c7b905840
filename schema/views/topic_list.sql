-- What readers can ask for and leave. Raise the number when its fold changes: fold 1.
create table {table} (
    topic_id    uuid    not null primary key,
    slug        text,
    by_default  text,                        -- in, out
    name        text,
    description text,                        -- empty: none
    sender      jsonb,                       -- object with from, reply_to, list_id, as far as they are given
    archived    boolean not null,
    version     integer not null,
    position    bigint  not null
);
