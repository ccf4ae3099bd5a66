-- The keys of a page of deploys, newest first by their own moments: finished deploys by `finished_at`, others by
-- `started_at`. Planned for its values each time, so that a filter that is null costs nothing.
--   $1–$7    filters, each null for all: component, version, owner, status, phase, environment, run
--   $8       a stage of the deploy's run
--   $9, $10  moment from, moment before
--   $11, $12 the last deploy of the previous page: its moment, its record's id
--   $13      the number of rows
--   $14–$17  whether to return finished, superseded, running and stale deploys
--
-- Returns the moment, the id and the size of the record that represents each deploy: its finish, or else its start; and
-- the state of the deploy.
with found as materialized (
  select * from occurrences($3::text, $6::text, null)
), found_stage as materialized (
  select * from occurrences(null, null, $8::text)
), longest as materialized (
  -- The seconds after which every deploy is stale; the limit keeps them within the range of dates.
  select least(greatest(86400, 3 * max(d.duration_seconds)), 100000000000)::double precision as seconds
  from records d
  where d.stage is null and d.phase = 'succeeded' and d.duration_seconds > 28800
)
select deploy.moment, deploy.id, deploy.state, deploy.bytes
from (
  (
    select key.moment, key.id, 'finished' as state, {bytes of r} as bytes
    from (
      -- Reads only the index, if the filters permit it: a component has many deploys.
      select f.moment, f.id, f.component
      from records f
      where $14::boolean and f.stage is null and stops_clock(f.phase)
        and ($1::text is null or f.component = $1)
        and ($2::text is null or f.version = $2)
        and ($3 is null or f.owner = $3)
        and ($4::text is null or f.status = $4)
        and ($5::text is null or f.phase = $5)
        and ($6 is null or f.environment = $6)
        and ($1 is null or $6 is null or coalesce(f.environment, '') = $6)
        and ($7::text is null or left(f.run, 200) = left($7, 200) and f.run = $7)
        and ($8 is null or f.run is not null and exists (
          select from records s
          where s.component = f.component and s.moment is not null
            and s.deploy in (
              deploy_of(f.component, f.environment, f.run, $8, f.version),
              deploy_of(f.component, null, f.run, $8, f.version))))
        -- Without an index of their own, rare values are looked for only where they occur.
        and ($3 is null and $6 is null or $2 is not null or $7 is not null
          or f.moment between (select first_moment from found) and (select last_moment from found))
        and ($8 is null or $2 is not null or $7 is not null
          or f.moment between (select first_moment from found_stage) and (select last_moment from found_stage))
        and ($9::timestamptz is null or f.moment >= $9)
        and ($10::timestamptz is null or f.moment < $10)
        and ($11::timestamptz is null or (f.moment, f.id) < ($11, $12::bigint))
      order by f.moment desc, f.id desc
      limit $13
    ) key
      cross join lateral (
        select * from records s where s.id = key.id and s.component = key.component limit 1
      ) r
  )
  union all
  (
    select distinct on (u.moment, u.id) r.moment, r.id, unfinished.state, {bytes of r} as bytes
    from open_starts u
      cross join lateral (
        select *
        from records s
        where s.id = u.id and s.component = u.component and s.moment = u.moment and s.stage is null
          and s.phase = 'started'
        limit 1
      ) r
      left join lateral (
        select n.phase
        from records n
        where n.component = r.component and n.deploy = r.deploy and n.moment is not null
          and (n.moment, n.id) > (r.moment, r.id)
        order by n.moment, n.id
        limit 1
      ) next on true
      -- The seconds after which the deploy is stale. They are computed only if they matter: it has run for more than an
      -- hour, and not for so long that it is stale anyway.
      cross join lateral (
        select greatest(3600, coalesce(3 * percentile_cont(0.95) within group (order by last.seconds), 86400))
          as seconds
        from (
          select d.duration_seconds::double precision as seconds
          from records d
          where next.phase is null and r.moment < now() - interval '1 hour'
            and extract(epoch from now() - r.moment) <= (select seconds from longest)
            and d.component = r.component and coalesce(d.environment, '') = coalesce(r.environment, '')
            and d.stage is null and stops_clock(d.phase) and d.phase = 'succeeded'
          order by d.moment desc, d.id desc
          limit 100
        ) last
      ) stale_after
      cross join lateral (
        select case when next.phase = 'started' then 'superseded'
          when next.phase is null then
            case when extract(epoch from now() - r.moment) > stale_after.seconds then 'stale' else 'running' end
          end as state
        offset 0 -- computed once
      ) unfinished
    where case unfinished.state when 'superseded' then $15::boolean when 'running' then $16::boolean
        when 'stale' then $17::boolean end
      and ($1 is null or u.component = $1)
      and ($2 is null or r.version = $2)
      and ($3 is null or r.owner = $3)
      and ($4 is null or r.status = $4)
      and ($5 is null or r.phase = $5)
      and ($6 is null or r.environment = $6)
      and ($7 is null or r.run = $7)
      and ($8 is null or r.run is not null and exists (
        select from records s
        where s.component = r.component and s.moment is not null
          and s.deploy in (
            deploy_of(r.component, r.environment, r.run, $8, r.version),
            deploy_of(r.component, null, r.run, $8, r.version))))
      and ($3 is null and $6 is null or $2 is not null or $7 is not null
        or u.moment between (select first_moment from found) and (select last_moment from found))
      and ($8 is null or $2 is not null or $7 is not null
        or u.moment between (select first_moment from found_stage) and (select last_moment from found_stage))
      and ($15 or $17 or u.moment >= now() - (select seconds from longest) * interval '1 second')
      and ($9 is null or u.moment >= $9)
      and ($10 is null or u.moment < $10)
      and ($11 is null or (u.moment, u.id) < ($11, $12))
    order by u.moment desc, u.id desc
    limit $13
  )
) deploy
order by deploy.moment desc, deploy.id desc
limit $13
