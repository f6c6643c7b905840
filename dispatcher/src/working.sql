-- Of each channel of $1: when it last sent something, and since when it fails.
-- The last success is looked for among the last $2 events of the log; then, for no index orders deliveries by channel, in the
-- publications of the channel's last hour with a success, the latest first, of which $2 deliveries are looked at: then it is the
-- latest of those, or else the beginning of that hour.
-- It fails if something was put off for it that nothing has got through since, as far as that is known: a success that is known to
-- the hour only counts as one at the hour's end for a channel of many deliveries, of which a few always wait, and as one at its
-- beginning for a channel of one a publication; and none is later than where the end of the log that was looked at begins. What
-- was put off before the channel was last said to work is due.
-- It is slowed down if the receiving side has asked for fewer messages since the last success: until when the latest of what it
-- refused then waits, within the longest time that anybody rests for ($3), for its own further tries may be much later. That it
-- asked so closes its circuit, and ends no rest; only somebody who sets it up or enables it does.
with recent as materialized (
    select stream_id, type, occurred_at from publishing_events order by position desc limit $2
), reach as materialized (
    -- A success in it would be found.
    select case when count(*) < $2 then '-infinity' else min(occurred_at) - interval '1 microsecond' end as since from recent
), success as materialized (
    select d.channel_id, max(e.occurred_at) as at
        from recent e join publishing_delivery_log d on d.delivery_id = e.stream_id
        where e.type = 'delivery.Sent' and d.channel_id = any($1)
        group by d.channel_id
)
select wanted.channel_id, coalesce(s.at, greatest(p.hour, l.at)) as last_success_at, f.failing_since, f.failing_reason,
       asked.slowed_until, asked.slowed_reason
    from unnest($1::uuid[]) wanted (channel_id)
    cross join reach
    left join success s using (channel_id)
    left join publishing_channel_list c using (channel_id)
    left join lateral (
        select max(hour) as hour from publishing_publication_analytics
            where s.at is null and channel_id = wanted.channel_id and sent > 0
    ) p on true
    left join lateral (
        select max(d.settled_at) filter (where d.channel_id = wanted.channel_id and d.class = 'sent') as at,
               count(*) < $2 as is_all
            from (
                select of_one.*
                    from (
                        select publication_id from publishing_publication_analytics
                            where s.at is null and channel_id = wanted.channel_id and sent > 0 and hour = p.hour
                            order by publication_id desc
                    ) published
                    cross join lateral (
                        select channel_id, class, settled_at from publishing_delivery_log
                            where publication_id = published.publication_id order by delivery_id limit $2
                    ) of_one
                    limit $2
            ) d
    ) l on true
    left join lateral (
        select min(case when put_off_since > worked.at then put_off_since else put_off_at end) as failing_since,
               (array_agg(put_off_reason order by put_off_at desc))[1] as failing_reason
            from publishing_dispatch_queue w cross join lateral
                 (select case when s.at is not null then s.at
                              when l.is_all or w.subscriber_id is null then coalesce(greatest(l.at, p.hour), '-infinity')
                              else least(p.hour + interval '1 hour', reach.since) end as at) worked
            where w.channel_id = wanted.channel_id and w.put_off_for = 'channel' and w.put_off_at > worked.at
              and w.position >= coalesce(c.mended_position, 0)
    ) f on true
    left join lateral (
        select least(w.due_at, w.put_off_at + $3 * interval '1 second') as slowed_until, w.put_off_reason as slowed_reason
            from publishing_dispatch_queue w
            where w.channel_id = wanted.channel_id and w.put_off_for in ('channel', 'pace')
              and (w.put_off_for = 'pace' or w.put_off_reason = 'quota_exceeded')
              and w.position >= coalesce(c.woken_position, 0)
              and w.put_off_at > coalesce(greatest(s.at, l.at, p.hour), '-infinity')
            order by w.put_off_at desc, w.delivery_id limit 1
    ) asked on true
