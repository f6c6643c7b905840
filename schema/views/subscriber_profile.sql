-- Who each subscriber is and whether they want mail. email, name and attributes are opened values, null once
-- erased. Raise the number when its fold changes: fold 1.
create table {table} (
    subscriber_id          uuid    not null primary key,
    email                  text,
    name                   text,
    attributes             jsonb,
    state                  text,                 -- active, pending, unsubscribed; null before they signed up
    confirmed              boolean,
    has_left               boolean,
    address_id             uuid,                 -- keyed hash of the address
    address_suppression_id uuid,
    domain_suppression_id  uuid,
    holds_address          boolean,              -- false once the address was released
    source                 text,
    signed_up_at           timestamptz,
    unsubscribed_at        timestamptz,
    version                integer,              -- of the subscriber's own stream
    position               bigint  not null
);
