-- The last finished deploy of every component and environment, by name. The index is entered once for the next pair and
-- once for its last deploy, however many deploys a pair has.
--   $1  the number of rows
--
-- Returns an empty environment if the record has none.
with recursive pairs as (
  (
    select r.component, coalesce(r.environment, '') as environment, 1 as number
    from records r
    where r.stage is null and stops_clock(r.phase)
    order by r.component, coalesce(r.environment, '')
    limit 1
  )
  union all
  select next.component, next.environment, p.number + 1
  from pairs p
    cross join lateral (
      select r.component, coalesce(r.environment, '') as environment
      from records r
      where r.stage is null and stops_clock(r.phase)
        and (r.component, coalesce(r.environment, '')) > (p.component, p.environment)
      order by r.component, coalesce(r.environment, '')
      limit 1
    ) next
  where p.number < $1::integer
)
select p.component, p.environment, extract(epoch from last.moment)::double precision as finished_at,
  last.duration_seconds::double precision as duration, last.phase = 'succeeded' as is_success
from pairs p
  cross join lateral (
    select r.moment, r.duration_seconds, r.phase
    from records r
    where r.stage is null and stops_clock(r.phase)
      and r.component = p.component and coalesce(r.environment, '') = p.environment
    order by r.moment desc, r.id desc
    limit 1
  ) last
order by p.component, p.environment
