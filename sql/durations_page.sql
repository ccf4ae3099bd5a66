-- The durations of succeeded deploys or stages in a window and in the window of the same length before it, grouped and
-- ordered by a field; or the part of them that was work or waiting. The group without the field comes last. Planned for
-- its values each time.
--   $1      component, stage, environment, owner or version
--   $2, $3  filters, each null for all: component, environment. A stage without an environment belongs to all
--           environments
--   $4, $5  the window: finished from, finished before
--   $6      the beginning of the window before
--   $7      the last group of the previous page
--   $8      the number of rows
--   $9      duration, work or waited
--
-- The page ends after 256 KiB of names: `name_bytes` is the size of those up to each row.
--
-- Equal seconds are counted first, so that the percentiles need only a sort of the different ones. They are
-- interpolated like `percentile_cont`.
with recursive components as (
  -- The components with stages, if the report is about all of them. The index is entered once per component.
  (select r.component
  from records r
  where $1::text = 'stage' and $2::text is null
    and r.stage is not null and length(r.stage) <= 200 and r.phase = 'succeeded'
  order by r.component
  limit 1)
  union all
  select (
    select r.component
    from records r
    where r.stage is not null and length(r.stage) <= 200 and r.phase = 'succeeded'
      and r.component > components.component
    order by r.component
    limit 1)
  from components
  where components.component is not null
), finished as (
  select
    case $1 when 'component' then r.component when 'environment' then r.environment when 'owner' then r.owner
      else r.version end as name,
    r.moment, r.duration_seconds, r.waited_seconds
  from records r
  where $1 <> 'stage' and r.stage is null and stops_clock(r.phase) and r.phase = 'succeeded'
    and r.moment >= $6 and r.moment < $5
    and ($2 is null or r.component = $2)
    and ($3::text is null or r.environment = $3)
    and ($2 is null or $3 is null or coalesce(r.environment, '') = $3)
  union all
  select r.stage, r.moment, r.duration_seconds, r.waited_seconds
  from (
      select component from components where component is not null
      union all
      select $2 where $2 is not null
    ) c (component)
    cross join lateral (
      select r.stage, r.moment, r.duration_seconds, r.waited_seconds
      from records r
      where r.component = c.component and r.stage is not null and length(r.stage) <= 200 and r.phase = 'succeeded'
        and r.moment >= $6 and r.moment < $5
        and ($3 is null or r.environment = $3 or r.environment is null)
    ) r
  where $1 = 'stage'
  union all
  -- The stages whose names are too long for the index of the others.
  select r.stage, r.moment, r.duration_seconds, r.waited_seconds
  from records r
  where $1 = 'stage' and r.stage is not null and length(r.stage) > 200 and r.phase = 'succeeded'
    and r.moment >= $6 and r.moment < $5
    and ($2 is null or r.component = $2)
    and ($3 is null or r.environment = $3 or r.environment is null)
), different as (
  select name, moment >= $4 as is_now, seconds, count(*)::integer as number,
    count(duration_seconds)::integer as with_duration, count(waited_seconds)::integer as waited
  from finished
    cross join lateral (
      select case $9::text
        when 'duration' then duration_seconds
        when 'work' then duration_seconds - least(coalesce(waited_seconds, 0)::numeric, duration_seconds)
        else waited_seconds::numeric end as seconds
    ) measured
  where $7::text is null or name > $7 or name is null
  group by name, is_now, seconds
), counted as (
  select name, is_now, seconds, number, with_duration, waited, sum(number) over (side order by seconds) as up_to_here,
    sum(number) filter (where seconds is not null) over side - 1 as last
  from different
  window side as (partition by name, is_now)
), sides as (
  select name, is_now, sum(number) as count,
    sum(number) - sum(with_duration) as without_duration, sum(waited) as waited,
    array[
      min(seconds) filter (where up_to_here > floor(0.5::double precision * last)),
      min(seconds) filter (where up_to_here > floor(0.9::double precision * last)),
      min(seconds) filter (where up_to_here > floor(0.95::double precision * last)), max(seconds)
    ]::double precision[] as below,
    array[
      min(seconds) filter (where up_to_here > ceil(0.5::double precision * last)),
      min(seconds) filter (where up_to_here > ceil(0.9::double precision * last)),
      min(seconds) filter (where up_to_here > ceil(0.95::double precision * last)), max(seconds)
    ]::double precision[] as above,
    max(last) as last,
    (sum(seconds * number) / sum(number) filter (where seconds is not null))::double precision as mean
  from counted
  group by name, is_now
), figures as (
  select name, is_now, count, without_duration, waited, mean, array[
      below[1] + (0.5::double precision * last - floor(0.5::double precision * last)) * (above[1] - below[1]),
      below[2] + (0.9::double precision * last - floor(0.9::double precision * last)) * (above[2] - below[2]),
      below[3] + (0.95::double precision * last - floor(0.95::double precision * last)) * (above[3] - below[3]),
      below[4]] as percentiles
  from sides
)
select *
from (
  select *, sum(octet_length(name)) over (order by name) as name_bytes
  from (
    select name,
      coalesce(max(count) filter (where is_now), 0) as count,
      coalesce(max(without_duration) filter (where is_now), 0) as without_duration,
      coalesce(max(waited) filter (where is_now), 0) as waited_count,
      max(percentiles) filter (where is_now) as percentiles,
      max(mean) filter (where is_now) as mean,
      coalesce(max(count) filter (where not is_now), 0) as count_before,
      coalesce(max(without_duration) filter (where not is_now), 0) as without_duration_before,
      coalesce(max(waited) filter (where not is_now), 0) as waited_count_before,
      max(percentiles) filter (where not is_now) as percentiles_before,
      max(mean) filter (where not is_now) as mean_before
    from figures
    group by name
    order by name
    limit $8
  ) page
) sized
where coalesce(name_bytes - octet_length(name), 0) <= 262144
order by name
