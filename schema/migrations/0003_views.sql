-- Where each view stands. A view's rows live in a table of their own per generation,
-- `publishing_<view>_g<generation>`; a plain SQL view `publishing_<view>` names the one in service.
create table publishing_views (
    view       text        not null primary key,
    definition text        not null,          -- digest of the view's definition file
    generation integer     not null,
    position   bigint      not null,          -- folded up to here
    rebuilt_at timestamptz
);
