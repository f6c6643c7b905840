-- Lines of an import that were not taken, and why. What the lines say stays in the log, sealed.
-- Raise the number when its fold changes: fold 1.
create table {table} (
    import_id uuid   not null,
    line      bigint not null,                   -- in the file, 1-based, header included
    reason    text   not null,
    primary key (import_id, line)
);
