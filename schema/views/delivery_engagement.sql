-- What did readers do with each message, as it told? Of what the log has in the clear alone: so a rebuild comes to the same rows,
-- whatever keys were destroyed. Raise the number when its fold changes: fold 1.
create table {table} (
    delivery_id      uuid        not null primary key,
    publication_id   uuid,                         -- null: it was no publication's
    channel_id       uuid        not null,
    subscriber_id    uuid        not null,
    opens            bigint      not null,         -- by people, as far as the program that did it tells
    machine_opens    bigint      not null,
    clicks           bigint      not null,
    machine_clicks   bigint      not null,
    first_opened_at  timestamptz,                  -- by people
    first_clicked_at timestamptz,                  -- by people
    last_at          timestamptz not null          -- by whoever
) with (fillfactor = 70);                          -- room for updates in place: no index names what changes
