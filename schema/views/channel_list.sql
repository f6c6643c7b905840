-- Each channel with its public settings; credentials stay in the log, sealed.
-- Raise the number when its fold changes: fold 4.
create table {table} (
    channel_id      uuid    not null primary key,
    kind            text,                        -- email, slack, discord, …
    name            text,
    settings        jsonb,
    has_credentials boolean,
    enabled         boolean,
    disabled_reason text,
    circuit         text,                        -- closed, open, probing
    circuit_reason  text,                        -- what opened it; empty once it is closed
    circuit_since   timestamptz,                 -- when it came to be so
    probe_at        timestamptz,                 -- when one attempt may find out whether it works again
    mended_position bigint,                      -- where it was last said to work: its circuit closed, or it was set up or enabled
    woken_position  bigint,                      -- where somebody last set it up or enabled it: whatever rest it took is over
    version         integer not null,
    position        bigint  not null
);
