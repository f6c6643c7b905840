-- Addresses and domains nothing may be sent to, by keyed hash. Suppressed while any reason stands.
-- Raise the number when its fold changes: fold 4.
create table {table} (
    suppression_id uuid    not null primary key,
    scope          text,                         -- address, domain
    manual         boolean,                      -- null: never a reason
    hard_bounce    boolean,
    complaint      boolean,
    import         boolean,
    unsubscribed   boolean,
    erased         boolean,
    moved          boolean,
    suppressed     boolean not null generated always as (
        coalesce(manual, false) or coalesce(hard_bounce, false)
        or coalesce(complaint, false) or coalesce(import, false)
        or coalesce(unsubscribed, false) or coalesce(erased, false)
        or coalesce(moved, false)
    ) stored,
    version        integer not null,
    position       bigint  not null
);
