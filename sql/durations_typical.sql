-- How long nineteen in twenty of a component's succeeded deploys took at most, over the last 90 days: in seconds, null
-- where none has a duration. Of very many the last 10,000 are taken.
--   $1  the components; answered in no order
select component, (
    select percentile_cont(0.95) within group (order by seconds)
    from (
      select duration_seconds::double precision as seconds
      from records r
      where r.component = asked.component and stage is null and phase = 'succeeded' and moment >= now() - interval '90 days'
      order by moment desc, id desc
      limit 10000
    ) last
  )
from unnest($1::text[]) asked (component)
