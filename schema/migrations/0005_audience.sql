-- Who receives a publication, as frozen when it went out. Working data of the dispatcher: rows go when
-- the publication completes, and a lost table is read again from the log.
create table publishing_dispatch_audience (
    publication_id uuid not null,
    subscriber_id  uuid not null,
    primary key (publication_id, subscriber_id)
);
