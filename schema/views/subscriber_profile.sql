-- Who each subscriber is and whether they want mail. email, name, attributes, tags and preferences are opened values, null
-- once erased. Raise the number when its fold changes: fold 6.
create table {table} (
    subscriber_id          uuid    not null primary key,
    email                  text,
    named                  boolean,              -- false once their name was taken away
    name                   text,
    attributes             jsonb,                -- object: of each key an object of one field (text, number, yes_no, date); null: taken away
    tags                   jsonb,                -- object: of each tag whether they have it
    preferences            jsonb,                -- how and when they want to get what they get
    topics                 jsonb,                -- object: of each topic they left or asked for, whether they want it
    left_channels          jsonb,                -- object: of each channel they said something about, whether they left it
    state                  text,                 -- active, pending, unsubscribed, erased; null before they signed up
    confirmed              boolean,
    has_left               boolean,
    address_id             uuid,                 -- keyed hash of the address
    address_suppression_id uuid,
    domain_suppression_id  uuid,
    holds_address          boolean,              -- false once the address was released
    source                 text,
    signed_up_at           timestamptz,
    unsubscribed_at        timestamptz,
    erasure_requested_at   timestamptz,
    erased_at              timestamptz,
    version                integer,              -- of the subscriber's own stream
    record_version         integer,              -- of their record's
    position               bigint  not null
);
-- PostgreSQL keeps samples of what is in a column for its plans: an address would stand there long after it is cleared here.
alter table {table} alter email set statistics 0;
alter table {table} alter name set statistics 0;
alter table {table} alter attributes set statistics 0;
alter table {table} alter tags set statistics 0;
alter table {table} alter preferences set statistics 0;
-- indexes
create index {table}_erasing on {table} (erasure_requested_at) where erasure_requested_at is not null and erased_at is null;
create index {table}_state on {table} (state, subscriber_id);
-- Whose address is suppressed, as far as somebody has it: told in the list of suppressions, and what waits for them is settled.
create index {table}_suppression on {table} (address_suppression_id) where holds_address;
create index {table}_topics on {table} using gin (topics jsonb_path_ops);
create index {table}_tags on {table} using gin (tags jsonb_path_ops);
create index {table}_attributes on {table} using gin (attributes jsonb_path_ops);
