-- When API keys let somebody in last. Kept beside the log: a use is no fact of business, and nothing is decided by it.
-- Each process writes a key's row once a minute at most.
create table publishing_api_key_uses (
    key_id                 uuid        not null primary key,
    last_used_at           timestamptz not null,
    earlier_secret_used_at timestamptz        -- with a secret that a newer one has taken the place of
);
