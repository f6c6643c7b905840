-- How far each import of subscribers is. Raise the number when its fold changes: fold 2.
create table {table} (
    import_id    uuid    not null primary key,
    lines        bigint,                         -- records in the file
    through      bigint  not null,               -- records worked off
    accepted     bigint  not null,
    existing     bigint  not null,
    suppressed   bigint  not null,               -- records by which somebody gets no mail
    rejected     bigint  not null,
    state        text    not null,               -- running, completed
    started_at   timestamptz,
    completed_at timestamptz,
    version      integer not null,
    position     bigint  not null
);
