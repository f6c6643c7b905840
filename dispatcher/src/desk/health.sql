-- How the channel $1 is, and what became of its deliveries since $2, by full hours. When it last sent something is
-- looked for in the publications of its last hour with a success, the latest first: no index orders deliveries by channel. Of
-- these only $3 deliveries are looked at; then it is the latest of those, or else the beginning of that hour.
-- It fails if something was put off for it that nothing has got through since, as far as that is known: where the last success is
-- known to the hour only, it counts as one at the hour's end for a channel of many deliveries, of which a few always wait, and as one
-- at its beginning for a channel of one a publication. What was put off before the channel was last said to work is due.
select c.circuit, c.circuit_reason, c.probe_at, c.disabled_reason,
       coalesce(a.sent, 0)::bigint as sent, coalesce(a.failed, 0)::bigint as failed,
       coalesce(a.in_doubt, 0)::bigint as in_doubt, greatest(p.hour, l.at) as last_success_at, q.waiting, q.next_due_at,
       f.failing_since, f.failing_reason
    from (select $1::uuid as channel_id) wanted
    left join publishing_channel_list c using (channel_id)
    left join lateral (
        select sum(sent) as sent, sum(failed) as failed, sum(in_doubt) as in_doubt
            from publishing_publication_analytics
            where channel_id = $1 and hour > $2
    ) a on true
    left join lateral (
        select max(hour) as hour from publishing_publication_analytics
            where channel_id = $1 and sent > 0
    ) p on true
    left join lateral (
        select max(d.settled_at) filter (where d.channel_id = $1 and d.class = 'sent') as at, count(*) < $3 as is_all
            from (
                select of_one.*
                    from (
                        select publication_id from publishing_publication_analytics
                            where channel_id = $1 and sent > 0 and hour = p.hour
                            order by publication_id desc
                    ) published
                    cross join lateral (
                        select channel_id, class, settled_at from publishing_delivery_log
                            where publication_id = published.publication_id order by delivery_id limit $3
                    ) of_one
                    limit $3
            ) d
    ) l on true
    left join lateral (
        select count(*) as waiting, min(due_at) as next_due_at
            from publishing_dispatch_queue where channel_id = $1
    ) q on true
    left join lateral (
        select min(case when put_off_since > worked.at then put_off_since else put_off_at end) as failing_since,
               (array_agg(put_off_reason order by put_off_at desc))[1] as failing_reason
            from publishing_dispatch_queue w cross join lateral
                 (select case when l.is_all or w.subscriber_id is null then coalesce(greatest(l.at, p.hour), '-infinity')
                              else coalesce(p.hour + interval '1 hour', '-infinity') end as at) worked
            where w.channel_id = $1 and w.put_off_for = 'channel' and w.put_off_at > worked.at
              and w.position >= coalesce(c.mended_position, 0)
    ) f on true
