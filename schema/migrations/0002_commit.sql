-- Commits a batch: many independent commits, each with its own guards and its own verdict.
--
-- `commit_no` numbers are the caller's, ascending. The caller has made sure that no commit of the
-- batch writes or guards a stream that an earlier commit of the batch writes (the in-batch rule),
-- so every guard is judged against the log as it was before the batch.
--
-- A guard names the version a stream must be at (0: it must not exist). Events whose commit is
-- refused are left out; the others take the positions after the head, in the order given.
--
-- `event_base` is the version of the event's stream before the commit, where a guard of the same commit
-- names it: an accepted commit's guards hold, so it need not be looked up again. `event_step` counts the
-- commit's events of that stream: 1, 2, 3, …
--
-- The settings pin the plan: look-ups through (stream_id, version), whatever the statistics say.
create function publishing_commit(
    guard_commit_no  integer[],
    guard_stream     uuid[],
    guard_version    integer[],
    event_commit_no  integer[],
    event_stream     uuid[],
    event_base       integer[],
    event_step       integer[],
    event_ids        uuid[],
    event_type       text[],
    event_subject    uuid[],
    event_occurred   timestamptz[],
    event_actor      text[],
    event_correlation uuid[],
    event_causation  bigint[],
    event_metadata   bytea[],
    event_payload    bytea[],
    event_digest     bytea[],
    out first_position    bigint,
    out last_position     bigint,
    out committed_at      timestamptz,
    out batch_hash        bytea,
    out refused_commit_no integer[],
    out refused_stream    uuid[],
    out refused_expected  integer[],
    out refused_actual    integer[]
)
language plpgsql volatile
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    head        publishing_batches%rowtype;
    incarnation uuid;
    group_hashes bytea;
begin
    -- One committer at a time, in a statement of its own: a statement that both waits and reads
    -- would read the log as it was before the wait.
    perform pg_advisory_xact_lock(7310575178592774515);

    select * into head from publishing_batches b order by b.last_position desc limit 1;
    select i.incarnation into strict incarnation
        from publishing_incarnations i order by i.ordinal desc limit 1;
    first_position := coalesce(head.last_position, 0) + 1;
    last_position := first_position - 1;
    committed_at := greatest(clock_timestamp(), head.committed_at);

    select array_agg(f.commit_no), array_agg(f.stream), array_agg(f.expected), array_agg(f.actual)
        into refused_commit_no, refused_stream, refused_expected, refused_actual
        from (
            select g.commit_no, g.stream, g.expected, coalesce(c.version, 0) as actual
                from unnest(guard_commit_no, guard_stream, guard_version) as g(commit_no, stream, expected)
                left join lateral (
                    select e.version from publishing_events e
                        where e.stream_id = g.stream order by e.version desc limit 1
                ) c on true
                where g.expected <> coalesce(c.version, 0)
        ) f;

    with accepted as materialized (
        select e.*, row_number() over (order by e.ordinal) as rank
            from unnest(event_commit_no, event_stream, event_base, event_step, event_ids, event_type,
                        event_subject, event_occurred, event_actor, event_correlation, event_causation,
                        event_metadata, event_payload, event_digest)
                with ordinality as e(commit_no, stream, base, step, id, type, subject, occurred, actor,
                                     correlation, causation, metadata, payload, digest, ordinal)
            where refused_commit_no is null or e.commit_no <> all (refused_commit_no)
    ), written as (
        insert into publishing_events
            select first_position + a.rank - 1, a.stream, coalesce(a.base, c.version, 0) + a.step, a.id,
                   a.type, a.subject, a.occurred, committed_at, a.actor, a.correlation, a.causation,
                   a.metadata, a.payload, a.digest
                from accepted a
                left join lateral (
                    select e.version from publishing_events e
                        where a.base is null and e.stream_id = a.stream
                        order by e.version desc limit 1
                ) c on true
            returning position, version, digest
    ), grouped as (
        select sha256('\x746964696e67732e67726f75702e7631'::bytea  -- tidings.group.v1
                      || string_agg(int8send(w.position) || int8send(w.version) || w.digest,
                                    ''::bytea order by w.position)) as hash,
               max(w.position) as up_to
            from written w
            group by (w.position - first_position) / 32
    )
    select coalesce(max(g.up_to), last_position), string_agg(g.hash, ''::bytea order by g.up_to)
        into last_position, group_hashes from grouped g;

    if last_position < first_position then
        return;  -- nothing was written
    end if;

    batch_hash := sha256('\x746964696e67732e62617463682e7631'::bytea  -- tidings.batch.v1
        || coalesce(head.hash, decode(repeat('00', 32), 'hex'))
        || uuid_send(incarnation)
        || int8send(first_position) || int8send(last_position)
        || int8send((extract(epoch from committed_at) * 1000000)::bigint)
        || group_hashes);
    insert into publishing_batches
        values (last_position, first_position,
                coalesce(head.hash, decode(repeat('00', 32), 'hex')), batch_hash, committed_at, incarnation);
    perform pg_notify('publishing_log', last_position::text);
end
$$;
