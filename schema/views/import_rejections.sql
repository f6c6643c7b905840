-- Lines of an import that were not taken, and why. What the lines say stays in the log, sealed.
-- Raise the number when its fold changes: fold 2.
create table {table} (
    import_id   uuid   not null,
    line        bigint not null,                 -- in the file, 1-based, header included
    reason      text   not null,
    address_ids jsonb,                           -- keyed hashes of the addresses the line quotes; null: none
    primary key (import_id, line)
);
-- indexes
create index {table}_quoted on {table} using gin (address_ids) where address_ids is not null;
