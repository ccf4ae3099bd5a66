-- The metrics of `/api/dora` for production in one week, and the median duration of `/api/durations`, from the views of
-- `deploys.sql`: one row per component.
--   :'since' :'until' :'tz'  the window and its time zone
with recursive
  success as (
    select *, row_number() over (partition by component order by at, line) as rank
    from deploy
    where environment = 'production' and status = 'deployed'
  ),
  -- Goes from success to success and keeps the current version, the one before it, and whether the current one came back.
  -- Of A, B, A the deploy of B is undone when A comes back, unless B came back itself.
  walk as (
    select component, rank, version as runs, line, null::text as ran, false as came_back, null::bigint as undone
    from success
    where rank = 1
    union all
    select s.component, s.rank, s.version, s.line,
      case when s.version = w.runs then w.ran else w.runs end,
      case when s.version = w.runs then w.came_back else not w.came_back and coalesce(s.version = w.ran, false) end,
      case when s.version <> w.runs and s.version = w.ran and not w.came_back then w.line end
    from walk w
      join success s on s.component = w.component and s.rank = w.rank + 1
  ),
  named as (
    select distinct (
        select max(array[extract(epoch from d.at), d.line])
        from deploy d
        where d.component = record ->> 'component' and d.environment = record ->> 'environment'
          and d.version = record ->> 'version' and d.status in ('deployed', 'failed')
          and d.at <= (record ->> 'finished_at')::timestamptz
      )[2]::bigint as line
    from sent
    where record ->> 'status' = 'rolled_back' and record ->> 'environment' = 'production'
  ),
  counted as (
    select d.*, extract(epoch from at - committed_at) as lead,
      status = 'failed' as has_failed, line in (select line from named) as is_named,
      line in (select undone from walk where undone is not null) as is_undone,
      (select min(s.at) from success s where s.component = d.component and (s.at, s.line) > (d.at, d.line)) as next
    from deploy d
    where environment = 'production' and status in ('deployed', 'failed') and at >= :'since' and at < :'until'
  ),
  -- The median is the middle value, or the mean of the two middle values.
  leads as (
    select component, avg(lead) as median
    from (
      select component, lead, row_number() over (partition by component order by lead) as rank,
        count(*) over (partition by component) as size
      from counted
      where status = 'deployed' and lead is not null
    ) sorted
    where rank in ((size + 1) / 2, (size + 2) / 2)
    group by component
  ),
  recoveries as (
    select component, avg(seconds) as median
    from (
      select component, seconds, row_number() over (partition by component order by seconds) as rank,
        count(*) over (partition by component) as size
      from (
        select component, extract(epoch from next - at) as seconds
        from counted
        where (has_failed or is_named or is_undone) and next is not null
      ) recovered
    ) sorted
    where rank in ((size + 1) / 2, (size + 2) / 2)
    group by component
  ),
  -- In all environments.
  durations as (
    select component, avg(seconds) as median
    from (
      select component, seconds, row_number() over (partition by component order by seconds) as rank,
        count(*) over (partition by component) as size
      from (
        select component, extract(epoch from at - began) as seconds
        from deploy
        where status = 'deployed' and began is not null and at >= :'since' and at < :'until'
      ) measured
    ) sorted
    where rank in ((size + 1) / 2, (size + 2) / 2)
    group by component
  )
select component,
  count(*) filter (where status = 'deployed') as succeeded,
  round(count(*) filter (where status = 'deployed') / 7.0, 3) as frequency_per_day,
  count(distinct (at at time zone :'tz')::date) filter (where status = 'deployed') as days_with_deploys,
  round(max(leads.median), 3) as lead_time_seconds,
  count(*) filter (where status = 'deployed' and lead is not null) as with_commit,
  round(100.0 * count(*) filter (where has_failed or is_named or is_undone) / count(*), 3) as fail_rate_percent,
  count(*) filter (where has_failed) as failed,
  count(*) filter (where is_named and not has_failed) as named,
  count(*) filter (where is_undone and not is_named) as undone,
  round(max(recoveries.median), 3) as recovery_seconds,
  count(*) filter (where (has_failed or is_named or is_undone) and next is null) as unrecovered,
  round(100.0 * count(*) filter (where unplanned) / count(*), 3) as rework_percent,
  count(*) filter (where unplanned) as unplanned,
  round(max(durations.median), 3) as p50_seconds
from counted
  left join leads using (component)
  left join recoveries using (component)
  left join durations using (component)
group by component
order by component;
