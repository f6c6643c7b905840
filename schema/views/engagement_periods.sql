-- What months of engagement are there, and is the evidence of each still kept? Raise the number when its fold changes: fold 1.
create table {table} (
    period      text        not null primary key,  -- such as 2026-09, UTC
    opens       bigint      not null,              -- by whoever
    clicks      bigint      not null,              -- by whoever
    closed_at   timestamptz,                       -- from then on nothing is sealed under its key
    shredded_at timestamptz                        -- its key was destroyed
);
