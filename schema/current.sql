-- The whole database on one page: every table, index, trigger and function of the migrations, and the
-- table of each view (here as its first generation; the SQL view `publishing_<view>` names the one that
-- serves). A test writes this page from the catalogue and fails when it is out of date:
--   UPDATE=1 cargo test -p tidings-tests schema_page

create table publishing_access_log_g1 (
    position bigint not null,
    subscriber_id uuid not null,
    actor text not null,
    what text not null,
    at timestamp with time zone not null,
    digest bytea,
    events bigint,
    PRIMARY KEY ("position")
);
CREATE INDEX publishing_access_log_g1_actor ON publishing_access_log_g1 USING btree (actor, "position");
CREATE INDEX publishing_access_log_g1_subscriber ON publishing_access_log_g1 USING btree (subscriber_id, "position");

create table publishing_api_key_list_g1 (
    key_id uuid not null,
    name text,
    roles jsonb,
    scopes jsonb,
    prefix text,
    created_at timestamp with time zone,
    created_by text,
    rotated_at timestamp with time zone,
    earlier_until timestamp with time zone,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    revoked_reason text,
    version integer not null,
    position bigint not null,
    PRIMARY KEY (key_id)
);

create table publishing_api_key_uses (
    key_id uuid not null,
    last_used_at timestamp with time zone not null,
    earlier_secret_used_at timestamp with time zone,
    PRIMARY KEY (key_id)
);

create table publishing_batches (
    last_position bigint not null,
    first_position bigint not null,
    previous_hash bytea not null,
    hash bytea not null,
    committed_at timestamp with time zone not null,
    incarnation uuid not null,
    PRIMARY KEY (last_position)
);

create table publishing_channel_list_g1 (
    channel_id uuid not null,
    kind text,
    name text,
    settings jsonb,
    has_credentials boolean,
    enabled boolean,
    disabled_reason text,
    circuit text,
    circuit_reason text,
    circuit_since timestamp with time zone,
    probe_at timestamp with time zone,
    mended_position bigint,
    woken_position bigint,
    version integer not null,
    position bigint not null,
    PRIMARY KEY (channel_id)
);

create table publishing_delivery_engagement_g1 (
    delivery_id uuid not null,
    publication_id uuid,
    channel_id uuid not null,
    subscriber_id uuid not null,
    opens bigint not null,
    machine_opens bigint not null,
    clicks bigint not null,
    machine_clicks bigint not null,
    first_opened_at timestamp with time zone,
    first_clicked_at timestamp with time zone,
    last_at timestamp with time zone not null,
    PRIMARY KEY (delivery_id)
) with (fillfactor=70);

create table publishing_delivery_log_g1 (
    delivery_id uuid not null,
    publication_id uuid,
    channel_id uuid,
    subscriber_id uuid,
    class text not null,
    status text not null,
    attempts integer not null,
    reason text,
    code integer,
    due_at timestamp with time zone,
    planned_at timestamp with time zone,
    settled_at timestamp with time zone,
    feedback text,
    feedback_at timestamp with time zone,
    feedback_reason text,
    bounce text,
    reopened integer not null,
    doubted_attempt integer,
    deferred_reason text,
    last_event text not null,
    last_reason text,
    last_code integer,
    outcome text,
    outcome_attempt integer,
    outcome_reason text,
    outcome_code integer,
    outcome_at timestamp with time zone,
    version integer not null,
    position bigint not null,
    PRIMARY KEY (delivery_id)
) with (fillfactor=70);
CREATE INDEX publishing_delivery_log_g1_publication ON publishing_delivery_log_g1 USING btree (publication_id, delivery_id);

create table publishing_dispatch_audience (
    publication_id uuid not null,
    subscriber_id uuid not null,
    reading uuid not null default '00000000-0000-0000-0000-000000000000'::uuid,
    PRIMARY KEY (publication_id, reading, subscriber_id)
);

create table publishing_dispatch_queue_g1 (
    delivery_id uuid not null,
    cause_kind text,
    cause_id uuid,
    content_version integer,
    channel_id uuid,
    subscriber_id uuid,
    lane integer,
    correlation_id uuid,
    traceparent text,
    planned_position bigint,
    priority integer,
    planned_at timestamp with time zone,
    due_at timestamp with time zone,
    put_off_for text,
    put_off_reason text,
    put_off_at timestamp with time zone,
    put_off_since timestamp with time zone,
    attempt integer not null,
    abandons integer not null,
    open_attempt integer not null,
    open_instance uuid,
    open_deadline_at timestamp with time zone,
    version integer not null,
    position bigint not null,
    settled boolean not null,
    PRIMARY KEY (delivery_id)
);
CREATE INDEX publishing_dispatch_queue_g1_cause ON publishing_dispatch_queue_g1 USING btree (cause_id);
CREATE INDEX publishing_dispatch_queue_g1_channel ON publishing_dispatch_queue_g1 USING btree (channel_id, "position") WHERE (put_off_for = ANY (ARRAY['channel'::text, 'pace'::text]));
CREATE INDEX publishing_dispatch_queue_g1_due ON publishing_dispatch_queue_g1 USING btree (priority DESC, due_at, delivery_id) WHERE (open_attempt = 0);
CREATE INDEX publishing_dispatch_queue_g1_later ON publishing_dispatch_queue_g1 USING btree (subscriber_id, delivery_id) WHERE (put_off_for IS NOT NULL);
CREATE INDEX publishing_dispatch_queue_g1_open ON publishing_dispatch_queue_g1 USING btree (open_deadline_at) WHERE (open_attempt > 0);

create table publishing_engagement_periods_g1 (
    period text not null,
    opens bigint not null,
    clicks bigint not null,
    closed_at timestamp with time zone,
    shredded_at timestamp with time zone,
    PRIMARY KEY (period)
);

create table publishing_events (
    position bigint not null,
    stream_id uuid not null,
    version integer not null,
    event_id uuid not null,
    type text collate "C" not null,
    subject uuid,
    occurred_at timestamp with time zone not null,
    recorded_at timestamp with time zone not null,
    actor text collate "C" not null,
    correlation_id uuid not null,
    causation bigint,
    metadata bytea not null /* storage external */,
    payload bytea not null /* storage external */,
    digest bytea not null,
    PRIMARY KEY ("position")
) with (autovacuum_vacuum_insert_scale_factor=0.05);
CREATE UNIQUE INDEX publishing_events_stream ON publishing_events USING btree (stream_id, version);
CREATE INDEX publishing_events_subject ON publishing_events USING btree (subject) WHERE (subject IS NOT NULL);

create table publishing_import_chunks (
    import_id uuid not null,
    file_digest bytea not null,
    after_records bigint not null,
    received_at timestamp with time zone not null,
    records bytea not null /* storage external */,
    PRIMARY KEY (import_id, file_digest, after_records)
);
CREATE INDEX publishing_import_chunks_first ON publishing_import_chunks USING btree (received_at, import_id) WHERE (after_records = 0);

create table publishing_import_rejections_g1 (
    import_id uuid not null,
    line bigint not null,
    reason text not null,
    address_ids jsonb,
    PRIMARY KEY (import_id, line)
);
CREATE INDEX publishing_import_rejections_g1_quoted ON publishing_import_rejections_g1 USING gin (address_ids) WHERE (address_ids IS NOT NULL);

create table publishing_import_status_g1 (
    import_id uuid not null,
    lines bigint,
    through bigint not null,
    accepted bigint not null,
    existing bigint not null,
    suppressed bigint not null,
    rejected bigint not null,
    state text not null,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    version integer not null,
    position bigint not null,
    PRIMARY KEY (import_id)
);

create table publishing_incarnations (
    incarnation uuid not null,
    ordinal integer not null,
    after_position bigint not null,
    started_at timestamp with time zone not null,
    parted_after bigint not null,
    PRIMARY KEY (incarnation),
    UNIQUE (ordinal)
);

create table publishing_keys (
    key_id uuid not null,
    wrapped bytea,
    created_at timestamp with time zone not null,
    shredded_at timestamp with time zone,
    PRIMARY KEY (key_id),
    CHECK (((wrapped IS NULL) = (shredded_at IS NOT NULL)))
);
CREATE TRIGGER publishing_keys_emptied BEFORE TRUNCATE ON publishing_keys FOR EACH STATEMENT EXECUTE FUNCTION publishing_keys_kept();
CREATE TRIGGER publishing_keys_inserted AFTER INSERT ON publishing_keys REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION publishing_keys_changed();
CREATE TRIGGER publishing_keys_removed BEFORE DELETE ON publishing_keys FOR EACH ROW EXECUTE FUNCTION publishing_keys_kept();
CREATE TRIGGER publishing_keys_tombstone BEFORE UPDATE ON publishing_keys FOR EACH ROW WHEN ((old.wrapped IS NULL)) EXECUTE FUNCTION publishing_keys_kept();
CREATE TRIGGER publishing_keys_updated AFTER UPDATE ON publishing_keys REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION publishing_keys_changed();

create table publishing_master_keys (
    master_id bytea not null,
    ordinal integer not null,
    began_at timestamp with time zone not null,
    finished_at timestamp with time zone,
    PRIMARY KEY (master_id),
    CHECK ((length(master_id) = 8)),
    UNIQUE (ordinal)
);

create table publishing_migrations (
    number integer not null,
    name text not null,
    applied_at timestamp with time zone not null default clock_timestamp(),
    PRIMARY KEY (number)
);

create table publishing_principals (
    principal_id uuid not null,
    issuer text not null,
    subject text not null,
    first_seen_at timestamp with time zone not null,
    PRIMARY KEY (principal_id)
);

create table publishing_publication_accounting_g1 (
    publication_id uuid not null,
    channel_id uuid not null,
    planned bigint not null,
    pending bigint not null,
    sent bigint not null,
    failed bigint not null,
    suppressed bigint not null,
    cancelled bigint not null,
    in_doubt bigint not null,
    delivered bigint not null,
    bounced bigint not null,
    complained bigint not null,
    PRIMARY KEY (publication_id, channel_id)
);

create table publishing_publication_analytics_g1 (
    publication_id uuid not null,
    channel_id uuid not null,
    hour timestamp with time zone not null,
    sent bigint not null,
    failed bigint not null,
    suppressed bigint not null,
    cancelled bigint not null,
    in_doubt bigint not null,
    PRIMARY KEY (publication_id, channel_id, hour)
);
CREATE INDEX publishing_publication_analytics_g1_channel ON publishing_publication_analytics_g1 USING btree (channel_id, hour);

create table publishing_publication_engagement_g1 (
    publication_id uuid not null,
    channel_id uuid not null,
    opened bigint not null,
    clicked bigint not null,
    machine_only bigint not null,
    opens bigint not null,
    machine_opens bigint not null,
    clicks bigint not null,
    machine_clicks bigint not null,
    PRIMARY KEY (publication_id, channel_id)
);

create table publishing_publication_status_g1 (
    publication_id uuid not null,
    title text,
    state text,
    content_version integer,
    channel_ids jsonb,
    topic_ids jsonb,
    segment_ids jsonb,
    excluded_segment_ids jsonb,
    priority text,
    created_position bigint,
    created_at timestamp with time zone,
    published_at timestamp with time zone,
    completed_at timestamp with time zone,
    cancelled_at timestamp with time zone,
    cancel_reason text,
    local_time text,
    zone text,
    scheduled_at timestamp with time zone,
    missed_reason text,
    paused_reason text,
    retries integer not null,
    under_way_since bigint,
    completed_position bigint,
    subscribers bigint,
    deliveries bigint,
    planned bigint,
    not_planned bigint,
    version integer not null,
    position bigint not null,
    PRIMARY KEY (publication_id)
);
CREATE INDEX publishing_publication_status_g1_created ON publishing_publication_status_g1 USING btree (created_position);
CREATE INDEX publishing_publication_status_g1_open ON publishing_publication_status_g1 USING btree (state) WHERE ((state = ANY (ARRAY['scheduled'::text, 'published'::text, 'frozen'::text, 'planned'::text])) OR ((state = 'cancelled'::text) AND (deliveries IS NOT NULL) AND (COALESCE(completed_position, (0)::bigint) < under_way_since)));

create table publishing_rebuilds (
    view text not null,
    definition text not null,
    generation integer not null,
    skips integer not null,
    shredded bigint not null,
    position bigint not null,
    head bigint not null,
    started_at timestamp with time zone not null,
    PRIMARY KEY (view)
);

create table publishing_segment_list_g1 (
    segment_id uuid not null,
    slug text,
    name text,
    description text,
    conditions jsonb,
    archived boolean not null,
    version integer not null,
    position bigint not null,
    PRIMARY KEY (segment_id)
);

create table publishing_subscriber_profile_g1 (
    subscriber_id uuid not null,
    email text /* statistics 0 */,
    named boolean,
    name text /* statistics 0 */,
    attributes jsonb /* statistics 0 */,
    tags jsonb /* statistics 0 */,
    preferences jsonb /* statistics 0 */,
    topics jsonb,
    left_channels jsonb,
    state text,
    confirmed boolean,
    has_left boolean,
    address_id uuid,
    address_suppression_id uuid,
    domain_suppression_id uuid,
    holds_address boolean,
    source text,
    signed_up_at timestamp with time zone,
    unsubscribed_at timestamp with time zone,
    erasure_requested_at timestamp with time zone,
    erased_at timestamp with time zone,
    version integer,
    record_version integer,
    position bigint not null,
    PRIMARY KEY (subscriber_id)
);
CREATE INDEX publishing_subscriber_profile_g1_attributes ON publishing_subscriber_profile_g1 USING gin (attributes jsonb_path_ops);
CREATE INDEX publishing_subscriber_profile_g1_erasing ON publishing_subscriber_profile_g1 USING btree (erasure_requested_at) WHERE ((erasure_requested_at IS NOT NULL) AND (erased_at IS NULL));
CREATE INDEX publishing_subscriber_profile_g1_state ON publishing_subscriber_profile_g1 USING btree (state, subscriber_id);
CREATE INDEX publishing_subscriber_profile_g1_suppression ON publishing_subscriber_profile_g1 USING btree (address_suppression_id) WHERE holds_address;
CREATE INDEX publishing_subscriber_profile_g1_tags ON publishing_subscriber_profile_g1 USING gin (tags jsonb_path_ops);
CREATE INDEX publishing_subscriber_profile_g1_topics ON publishing_subscriber_profile_g1 USING gin (topics jsonb_path_ops);

create table publishing_suppression_list_g1 (
    suppression_id uuid not null,
    scope text,
    manual boolean,
    hard_bounce boolean,
    complaint boolean,
    import boolean,
    unsubscribed boolean,
    erased boolean,
    moved boolean,
    suppressed boolean not null generated always as ((COALESCE(manual, false) OR COALESCE(hard_bounce, false) OR COALESCE(complaint, false) OR COALESCE(import, false) OR COALESCE(unsubscribed, false) OR COALESCE(erased, false) OR COALESCE(moved, false))) stored,
    version integer not null,
    position bigint not null,
    PRIMARY KEY (suppression_id)
);

create table publishing_topic_list_g1 (
    topic_id uuid not null,
    slug text,
    by_default text,
    name text,
    description text,
    sender jsonb,
    archived boolean not null,
    version integer not null,
    position bigint not null,
    PRIMARY KEY (topic_id)
);

create table publishing_views (
    view text not null,
    definition text not null,
    generation integer not null,
    position bigint not null,
    rebuilt_at timestamp with time zone,
    fold integer not null default 0,
    PRIMARY KEY (view)
);

CREATE OR REPLACE FUNCTION publishing_commit(guard_commit_no integer[], guard_stream uuid[], guard_version integer[], event_commit_no integer[], event_stream uuid[], event_base integer[], event_step integer[], event_ids uuid[], event_type text[], event_subject uuid[], event_occurred timestamp with time zone[], event_actor text[], event_correlation uuid[], event_causation bigint[], event_metadata bytea[], event_payload bytea[], event_digest bytea[], OUT first_position bigint, OUT last_position bigint, OUT committed_at timestamp with time zone, OUT batch_hash bytea, OUT refused_commit_no integer[], OUT refused_stream uuid[], OUT refused_expected integer[], OUT refused_actual integer[])
 RETURNS record
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION publishing_keys_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
    in_use bytea;
begin
    if exists (select from changed where wrapped is not null) then
        -- Writers of keys and a change of master key take turns, in a statement of its own: what is read
        -- next is read after the wait. So no key wrapped by the one before comes in after the change.
        perform pg_advisory_xact_lock_shared(7310575178592774531);
        select m.master_id into in_use from publishing_master_keys m order by m.ordinal desc limit 1;
        if in_use is null then
            insert into publishing_master_keys (master_id, ordinal, began_at, finished_at)
                select substring(c.wrapped from 2 for 8), 1, c.created_at, c.created_at
                    from changed c where c.wrapped is not null limit 1
                on conflict do nothing;
            select m.master_id into in_use from publishing_master_keys m order by m.ordinal desc limit 1;
        end if;
        if exists (
            select from changed c
                where length(c.wrapped) <> 69 or get_byte(c.wrapped, 0) <> 1
                    or substring(c.wrapped from 2 for 8) <> in_use
        ) then
            raise exception using errcode = 'TD001',
                message = 'keys must be wrapped by the master key in use';
        end if;
    end if;
    if exists (select from changed where wrapped is null) then
        perform pg_notify('publishing_keys', '');
    end if;
    return null;
end
$function$;

CREATE OR REPLACE FUNCTION publishing_keys_kept()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    raise exception using errcode = 'TD002',
        message = 'a shredded key never comes back, and no row of publishing_keys is ever removed';
end
$function$;
