-- The number of the definition behind each view: a version of Tidings with a lower one leaves it alone.
alter table publishing_views add column fold integer not null default 0;

-- How far each rebuild is that has not ended, so that it goes on there after its process died. Unlogged,
-- as the staging tables it speaks of: a crash of the server empties both, and the rebuild starts anew.
create unlogged table publishing_rebuilds (
    view       text        not null primary key,
    definition text        not null,          -- of the tables being filled
    generation integer     not null,          -- of the tables being filled
    skips      integer     not null,          -- positions the view skipped when it began
    shredded   bigint      not null,          -- keys destroyed by then, if the view opens sealed values
    position   bigint      not null,          -- folded and staged up to here
    head       bigint      not null,          -- on its way there
    started_at timestamptz not null
);
