-- The durations of succeeded deploys or stages in a window and in the window of the same length before it, grouped and
-- ordered by a field. The group without the field comes last. Planned for its values each time.
--   $1      component, stage, environment, owner or version
--   $2, $3  filters, each null for all: component, environment. A stage without an environment belongs to all
--           environments
--   $4, $5  the window: finished from, finished before
--   $6      the beginning of the window before
--   $7      the last group of the previous page
--   $8      the number of rows
select name,
  count(*) filter (where is_now) as count,
  count(*) filter (where is_now and seconds is null) as without_duration,
  percentile_cont(array[0.5, 0.9, 0.95, 1]) within group (order by seconds) filter (where is_now) as percentiles,
  avg(seconds) filter (where is_now) as mean,
  count(*) filter (where not is_now) as count_before,
  count(*) filter (where not is_now and seconds is null) as without_duration_before,
  percentile_cont(array[0.5, 0.9, 0.95, 1]) within group (order by seconds) filter (where not is_now)
    as percentiles_before,
  avg(seconds) filter (where not is_now) as mean_before
from (
  select
    case $1::text when 'component' then r.component when 'stage' then r.stage when 'environment' then r.environment
      when 'owner' then r.owner else r.version end as name,
    r.duration_seconds::double precision as seconds, r.moment >= $4 as is_now
  from records r
  where r.phase = 'succeeded' and ($1 = 'stage') = (r.stage is not null) and r.moment >= $6 and r.moment < $5
    and ($2::text is null or r.component = $2)
    and ($3::text is null or coalesce(r.environment, '') = $3 or $1 = 'stage' and r.environment is null)
) finished
where $7::text is null or name > $7 or name is null
group by name
order by name
limit $8
