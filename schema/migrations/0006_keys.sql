-- Master keys by name, so that they can be changed while the platform runs; and what no statement may do
-- to a key.

-- Every master key that wraps or has wrapped keys, by an id that tells nothing about it. The one with the
-- highest ordinal is in use: no key is wrapped by another any more. `finished_at` is empty while keys that
-- an earlier one has wrapped are still being wrapped anew.
create table publishing_master_keys (
    master_id   bytea       not null primary key check (length(master_id) = 8),
    ordinal     integer     not null unique,
    began_at    timestamptz not null,
    finished_at timestamptz
);

-- After each statement that writes keys: they must be wrapped by the master key in use, and whoever holds
-- opened keys is told when some were shredded. The first key of all says which master key is in use.
create function publishing_keys_changed() returns trigger language plpgsql as $$
declare
    in_use bytea;
begin
    if exists (select from changed where wrapped is not null) then
        -- Writers of keys and a change of master key take turns, in a statement of its own: what is read
        -- next is read after the wait. So no key wrapped by the one before comes in after the change.
        perform pg_advisory_xact_lock_shared(7310575178592774531);
        select m.master_id into in_use from publishing_master_keys m order by m.ordinal desc limit 1;
        if in_use is null then
            insert into publishing_master_keys (master_id, ordinal, began_at, finished_at)
                select substring(c.wrapped from 2 for 8), 1, c.created_at, c.created_at
                    from changed c where c.wrapped is not null limit 1
                on conflict do nothing;
            select m.master_id into in_use from publishing_master_keys m order by m.ordinal desc limit 1;
        end if;
        if exists (
            select from changed c
                where length(c.wrapped) <> 69 or get_byte(c.wrapped, 0) <> 1
                    or substring(c.wrapped from 2 for 8) <> in_use
        ) then
            raise exception using errcode = 'TD001',
                message = 'keys must be wrapped by the master key in use';
        end if;
    end if;
    if exists (select from changed where wrapped is null) then
        perform pg_notify('publishing_keys', '');
    end if;
    return null;
end
$$;

create trigger publishing_keys_inserted after insert on publishing_keys
    referencing new table as changed for each statement execute function publishing_keys_changed();
create trigger publishing_keys_updated after update on publishing_keys
    referencing new table as changed for each statement execute function publishing_keys_changed();

create function publishing_keys_kept() returns trigger language plpgsql as $$
begin
    raise exception using errcode = 'TD002',
        message = 'a shredded key never comes back, and no row of publishing_keys is ever removed';
end
$$;

create trigger publishing_keys_tombstone before update on publishing_keys
    for each row when (old.wrapped is null) execute function publishing_keys_kept();
create trigger publishing_keys_removed before delete on publishing_keys
    for each row execute function publishing_keys_kept();
create trigger publishing_keys_emptied before truncate on publishing_keys
    for each statement execute function publishing_keys_kept();
