-- The components that were ever deployed to an environment, by name: those of a page of the DORA report.
--   $1  a component, null for all
--   $2  the environment
--   $3  the last component of the previous page
--   $4  the number of rows
with recursive components as (
  -- The index is entered once per component, however many deploys it has.
  (select r.component
  from records r
  where r.stage is null and stops_clock(r.phase)
    and ($1::text is null or r.component = $1) and ($3::text is null or r.component > $3)
  order by r.component
  limit 1)
  union all
  select (
    select r.component
    from records r
    where r.stage is null and stops_clock(r.phase)
      and $1 is null and r.component > components.component
    order by r.component
    limit 1)
  from components
  where components.component is not null
)
select components.component
from components
  cross join lateral (
    select 1
    from records r
    where r.component = components.component and r.environment = $2
      and r.stage is null and stops_clock(r.phase)
    limit 1
  ) deploy
limit $4
