-- How the channel $1 is, and what became of its deliveries since $2, by full hours. When it last sent something is
-- looked for in the publication of its last hour with a success: no index orders deliveries by channel. Of a large one
-- only $3 deliveries are looked at; then it is the latest of those, or else the beginning of that hour.
select c.circuit, c.circuit_reason, c.probe_at, c.disabled_reason,
       coalesce(a.sent, 0)::bigint as sent, coalesce(a.failed, 0)::bigint as failed,
       coalesce(a.in_doubt, 0)::bigint as in_doubt, greatest(p.hour, l.at) as last_success_at, q.waiting, q.next_due_at
    from (select $1::uuid as channel_id) wanted
    left join publishing_channel_list c using (channel_id)
    left join lateral (
        select sum(sent) as sent, sum(failed) as failed, sum(in_doubt) as in_doubt
            from publishing_publication_analytics
            where channel_id = $1 and hour > $2
    ) a on true
    left join lateral (
        select publication_id, hour from publishing_publication_analytics
            where channel_id = $1 and sent > 0 order by hour desc limit 1
    ) p on true
    left join lateral (
        select max(d.settled_at) as at
            from (
                select channel_id, class, settled_at from publishing_delivery_log
                    where publication_id = p.publication_id order by delivery_id limit $3
            ) d
            where d.channel_id = $1 and d.class = 'sent'
    ) l on true
    left join lateral (
        select count(*) as waiting, min(due_at) as next_due_at
            from publishing_dispatch_queue where channel_id = $1
    ) q on true
