-- Derives the deploys of a week from the generated lines in the table `sent (line bigint, record jsonb)`. The results are
-- compared with those of the service, so this uses none of its tables and queries.

-- The records that start or stop the clock of a whole deploy.
create temporary view clock as
select line, record ->> 'component' as component, record ->> 'environment' as environment, record ->> 'version' as version,
  coalesce(record ->> 'run', 'of version ' || (record ->> 'version')) as attempt,
  (record ->> 'started_at')::timestamptz as started_at,
  coalesce(record ->> 'finished_at', record ->> 'started_at')::timestamptz as at,
  case record ->> 'status' when 'Success' then 'deployed' else record ->> 'status' end as status,
  (record ->> 'committed_at')::timestamptz as committed_at, (record ->> 'unplanned')::boolean as unplanned
from sent
where record ->> 'stage' is null and record ->> 'status' <> 'rolled_back';

-- Each stop. It takes missing values from a start just before it, unless it has a start time of its own.
create temporary view deploy as
select line, component, environment, version, status, at,
  case when has_start then before_at else started_at end as began,
  coalesce(committed_at, case when has_start then before_committed_at end) as committed_at,
  coalesce(unplanned, case when has_start then before_unplanned end) as unplanned
from (
  select *, coalesce(started_at is null and lag(status) over attempts = 'started', false) as has_start,
    lag(at) over attempts as before_at, lag(committed_at) over attempts as before_committed_at,
    lag(unplanned) over attempts as before_unplanned
  from clock
  window attempts as (partition by component, environment, attempt order by at, line)
) stops
where status <> 'started';
