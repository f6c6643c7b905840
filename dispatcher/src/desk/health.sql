-- How the channel $1 is, and what became of its deliveries since $2, by full hours.
select c.circuit, c.circuit_reason, c.probe_at, c.disabled_reason,
       coalesce(a.sent, 0)::bigint as sent, coalesce(a.failed, 0)::bigint as failed,
       coalesce(a.in_doubt, 0)::bigint as in_doubt, q.waiting, q.next_due_at
    from (select $1::uuid as channel_id) wanted
    left join publishing_channel_list c using (channel_id)
    left join lateral (
        select sum(sent) as sent, sum(failed) as failed, sum(in_doubt) as in_doubt
            from publishing_publication_analytics
            where channel_id = $1 and hour > $2
    ) a on true
    left join lateral (
        select count(*) as waiting, min(due_at) as next_due_at
            from publishing_dispatch_queue where channel_id = $1
    ) q on true
