-- Each channel with its public settings; credentials stay in the log, sealed.
-- Raise the number when its fold changes: fold 1.
create table {table} (
    channel_id      uuid    not null primary key,
    kind            text,                        -- email, slack, file
    name            text,
    settings        jsonb,
    has_credentials boolean,
    enabled         boolean,
    disabled_reason text,
    version         integer not null,
    position        bigint  not null
);
