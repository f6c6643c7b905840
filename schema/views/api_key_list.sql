-- What API keys are there? Raise the number when its fold changes: fold 2.
create table {table} (
    key_id         uuid        not null primary key,
    name           text,
    roles          jsonb,                    -- array of text
    scopes         jsonb,                    -- array of text
    prefix         text,
    created_at     timestamptz,
    created_by     text,                     -- the actor
    rotated_at     timestamptz,
    earlier_until  timestamptz,              -- when the last secret of before ends
    expires_at     timestamptz,
    revoked_at     timestamptz,
    revoked_reason text,                     -- a code
    version        integer     not null,
    position       bigint      not null
);
