-- What `/api/dora` says of production in one week, and the median duration of `/api/durations`, in plain SQL over what
-- `deploys.sql` makes: a row a component.
--   :'since', :'until', :'tz'
with recursive
  success as (
    select *, row_number() over (partition by component order by at, line) as place
    from deploy
    where environment = 'production' and what = 'deployed'
  ),
  -- From success to success: what runs, what ran before it, whether it came back. B of A, B, A is undone when A comes
  -- back, unless B is what came back itself.
  walk as (
    select component, place, version as runs, line, null::text as ran, false as came_back, null::bigint as undone
    from success
    where place = 1
    union all
    select s.component, s.place, s.version, s.line,
      case when s.version = w.runs then w.ran else w.runs end,
      case when s.version = w.runs then w.came_back else not w.came_back and coalesce(s.version = w.ran, false) end,
      case when s.version <> w.runs and s.version = w.ran and not w.came_back then w.line end
    from walk w
      join success s on s.component = w.component and s.place = w.place + 1
  ),
  named as (
    select distinct (
        select max(array[extract(epoch from d.at), d.line])
        from deploy d
        where d.component = said ->> 'component' and d.environment = said ->> 'environment'
          and d.version = said ->> 'version' and d.what in ('deployed', 'failed')
          and d.at <= (said ->> 'finished_at')::timestamptz
      )[2]::bigint as line
    from sent
    where said ->> 'status' = 'rolled_back' and said ->> 'environment' = 'production'
  ),
  counted as (
    select d.*, extract(epoch from at - committed_at) as lead,
      what = 'failed' as has_failed, line in (select line from named) as is_named,
      line in (select undone from walk where undone is not null) as is_undone,
      (select min(s.at) from success s where s.component = d.component and (s.at, s.line) > (d.at, d.line)) as next
    from deploy d
    where environment = 'production' and what in ('deployed', 'failed') and at >= :'since' and at < :'until'
  ),
  -- A median is the value in the middle, or the mean of the two there.
  leads as (
    select component, avg(lead) as median
    from (
      select component, lead, row_number() over (partition by component order by lead) as place,
        count(*) over (partition by component) as size
      from counted
      where what = 'deployed' and lead is not null
    ) sorted
    where place in ((size + 1) / 2, (size + 2) / 2)
    group by component
  ),
  recoveries as (
    select component, avg(seconds) as median
    from (
      select component, seconds, row_number() over (partition by component order by seconds) as place,
        count(*) over (partition by component) as size
      from (
        select component, extract(epoch from next - at) as seconds
        from counted
        where (has_failed or is_named or is_undone) and next is not null
      ) recovered
    ) sorted
    where place in ((size + 1) / 2, (size + 2) / 2)
    group by component
  ),
  -- In every environment.
  durations as (
    select component, avg(seconds) as median
    from (
      select component, seconds, row_number() over (partition by component order by seconds) as place,
        count(*) over (partition by component) as size
      from (
        select component, extract(epoch from at - began) as seconds
        from deploy
        where what = 'deployed' and began is not null and at >= :'since' and at < :'until'
      ) took
    ) sorted
    where place in ((size + 1) / 2, (size + 2) / 2)
    group by component
  )
select component,
  count(*) filter (where what = 'deployed') as succeeded,
  round(count(*) filter (where what = 'deployed') / 7.0, 3) as frequency_per_day,
  count(distinct (at at time zone :'tz')::date) filter (where what = 'deployed') as days_with_deploys,
  round(max(leads.median), 3) as lead_time_seconds,
  count(*) filter (where what = 'deployed' and lead is not null) as with_commit,
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
