-- The typical duration of components, in no order: the 95th percentile of the succeeded deploys of the last 90 days, in
-- seconds, of at most 10,000 deploys; null if none of them has a duration.
--   $1  the components
select component, (
    select percentile_cont(0.95) within group (order by seconds)
    from (
      select duration_seconds::double precision as seconds
      from records r
      where r.component = asked.component and stage is null and phase = 'succeeded'
        and moment >= now() - interval '90 days'
      order by moment desc, id desc
      limit 10000
    ) last
  ) as seconds
from unnest($1::text[]) asked (component)
