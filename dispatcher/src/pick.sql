-- Due deliveries in the order they should go out, with what the views know of each receiver and the
-- versions they know it at. Those of cancelled publications are settled whenever they are due,
-- and alone while nothing may be sent ($7). Of a channel of which enough waits already ($9) only what is more urgent than the
-- least urgent of it ($10) is read. What a notice's receiver is like is asked of the streams themselves.
-- What waits for later is read, too, if its reader may have left meanwhile ($11): whoever asks settles those that are forbidden.
-- What was put off for its channel is due as soon as that is said to work, in the order in which it was planned; because the
-- receiving side asked for fewer, as soon as somebody says so.
select q.delivery_id, q.cause_id, q.content_version, q.channel_id, q.subscriber_id, q.correlation_id,
       q.traceparent, q.planned_position, q.priority, q.planned_at, q.since, q.attempt, q.version,
       s.email, s.name, s.state, s.version, s.address_suppression_id, s.domain_suppression_id,
       a.version, a.suppressed, d.version, d.suppressed, q.abandons, q.cause_kind, s.topics, s.left_channels,
       s.preferences, q.since < q.due_at, q.withdrawn
    from (
        (
            select *, due_at as since, false as withdrawn from publishing_dispatch_queue
                where not $7 and open_attempt = 0 and due_at <= $2 and lane = any($1)
                  and channel_id <> all($3) and delivery_id <> all($4) and cause_id <> all($8)
                  and (channel_id <> all($9::uuid[]) or priority > ($10::integer[])[array_position($9::uuid[], channel_id)])
                order by priority desc, due_at, delivery_id
                limit $5
        )
        union
        (
            select *, due_at as since, false as withdrawn from publishing_dispatch_queue
                where cause_id = any($6) and open_attempt = 0 and lane = any($1)
                  and delivery_id <> all($4)
                limit $5
        )
        union all
        (
            select waits.*, waits.planned_at as since, false as withdrawn
                from publishing_channel_list mended
                join publishing_dispatch_queue waits on waits.channel_id = mended.channel_id
                where not $7
                  and (waits.put_off_for = 'channel' and waits.position < mended.mended_position
                       or waits.put_off_for = 'pace' and waits.position < mended.woken_position)
                  and open_attempt = 0 and due_at > $2 and lane = any($1)
                  and waits.channel_id <> all($3) and delivery_id <> all($4) and cause_id <> all($8) and cause_id <> all($6)
                  and (waits.channel_id <> all($9::uuid[])
                       or priority > ($10::integer[])[array_position($9::uuid[], waits.channel_id)])
                order by priority desc, planned_at, delivery_id
                limit $5
        )
        union all
        (
            select *, due_at as since, true as withdrawn from publishing_dispatch_queue
                where not $7 and delivery_id = any($11) and cause_kind = 'publication'
                  and open_attempt = 0 and due_at > $2 and lane = any($1)
                  and delivery_id <> all($4) and cause_id <> all($6)
        )
    ) q
    left join publishing_subscriber_profile s on s.subscriber_id = q.subscriber_id
    left join publishing_suppression_list a on a.suppression_id = s.address_suppression_id
    left join publishing_suppression_list d on d.suppression_id = s.domain_suppression_id
    order by q.priority desc, q.since, q.delivery_id
