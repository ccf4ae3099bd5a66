-- The keys of the current version of every component and environment: the last succeeded deploy of each pair, by name;
-- records without an environment first. The index is entered once per pair and once per returned deploy, however many deploys
-- there are.
--   $1, $2  component and environment, each null for all
--   $3, $4  the last pair of the previous page; the environment is empty if the records have none
--   $5      the number of rows
--
-- Returns the id and the size of each finish; and for the last but one row the pair, at which the next page begins.
with recursive pairs as (
  select first.component, first.environment, last.id, last.moment, (last.id is not null)::integer as number
  from (
      select r.component, coalesce(r.environment, '') as environment
      from records r
      where r.stage is null and stops_clock(r.phase)
        and ($1::text is null or r.component = $1)
        and ($3::text is null or (r.component, coalesce(r.environment, '')) > ($3, $4::text))
      order by r.component, coalesce(r.environment, '')
      limit 1
    ) first
    left join lateral (
      select r.id, r.moment
      from records r
      where r.stage is null and r.phase = 'succeeded'
        and r.component = first.component and coalesce(r.environment, '') = first.environment
        and ($2::text is null or first.environment = $2)
      order by r.moment desc, r.id desc
      limit 1
    ) last on true
  union all
  select next.component, next.environment, last.id, last.moment, p.number + (last.id is not null)::integer
  from pairs p
    cross join lateral (
      select r.component, coalesce(r.environment, '') as environment
      from records r
      where r.stage is null and stops_clock(r.phase)
        and ($1 is null or r.component = $1)
        and (r.component, coalesce(r.environment, '')) > (p.component, p.environment)
      order by r.component, coalesce(r.environment, '')
      limit 1
    ) next
    left join lateral (
      select r.id, r.moment
      from records r
      where r.stage is null and r.phase = 'succeeded'
        and r.component = next.component and coalesce(r.environment, '') = next.environment
        and ($2 is null or next.environment = $2)
      order by r.moment desc, r.id desc
      limit 1
    ) last on true
  where p.number < $5::bigint
)
select p.id, {bytes of r} as bytes,
  case when p.number = $5 - 1 then p.component end as component,
  case when p.number = $5 - 1 then p.environment end as environment
from pairs p
  cross join lateral (
    select * from records s where s.id = p.id and s.component = p.component limit 1
  ) r
order by p.component, p.environment
