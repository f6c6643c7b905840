//! message-db's way: one function a commit, which takes a lock on the stream's category, reads the stream's
//! version, checks it, and inserts a message of JSON under three indexes. The shape is that of its
//! documentation (`docs.eventide-project.org/user-guide/message-db`); all streams are of one category, since
//! they are of one log.

use super::pooled::Pooled;
use crate::Error;
use crate::sample::text;
use crate::site::Database;

const SCHEMA: &str = r"
create function category(stream_name text) returns text language sql immutable
    return split_part(stream_name, '-', 1);
create table messages (
    global_position bigserial not null primary key,
    position        bigint    not null,
    time            timestamp not null default (now() at time zone 'utc'),
    stream_name     text      not null,
    type            text      not null,
    data            jsonb,
    metadata        jsonb,
    id              uuid      not null
);
create unique index messages_id on messages (id);
create unique index messages_stream on messages (stream_name, position);
create index messages_category on messages
    (category(stream_name), global_position, category(metadata ->> 'correlationStreamName'));
create function write_message(
    id uuid, stream_name text, type text, data jsonb, metadata jsonb, expected_version bigint
) returns bigint language plpgsql as $$
declare
    version bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended(category(write_message.stream_name), 0));
    select max(m.position) into version from messages m where m.stream_name = write_message.stream_name;
    if coalesce(version, -1) <> expected_version then
        raise exception 'wrong expected version: % (stream %, at %)', expected_version, stream_name, version;
    end if;
    insert into messages (id, stream_name, position, type, data, metadata)
        values (id, stream_name, expected_version + 1, type, data, metadata);
    return expected_version + 1;
end
$$;
";
const WRITE: &str = "select write_message($1, $2, $3, $4::text::jsonb, null, -1)";

/// Makes its table and function unless they are there, and connects.
pub(super) async fn message_db(database: &Database, connections: usize) -> Result<Pooled, Error> {
    let there = "select to_regclass('messages') is not null";
    if !database
        .client
        .query_one(there, &[])
        .await?
        .get::<_, bool>(0)
    {
        database.client.batch_execute(SCHEMA).await?;
    }
    Pooled::open(database, connections, WRITE, |event| {
        vec![
            Box::new(event.event_id),
            Box::new(format!("bench-{}", event.stream_id)),
            Box::new(event.event_type),
            Box::new(serde_json::json!({ "payload": text(&event.payload) }).to_string()),
        ]
    })
    .await
}
