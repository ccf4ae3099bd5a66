-- The deploys of a week out of its lines as they were sent, in a table `sent (line bigint, said jsonb)`: for figures to
-- compare with the service's, of whose tables and queries this knows nothing.

-- Every record that starts or stops the clock of a whole deploy, in words of its own.
create temporary view clock as
select line, said ->> 'component' as component, said ->> 'environment' as environment, said ->> 'version' as version,
  coalesce(said ->> 'run', 'of version ' || (said ->> 'version')) as attempt,
  (said ->> 'started_at')::timestamptz as started_at,
  coalesce(said ->> 'finished_at', said ->> 'started_at')::timestamptz as at,
  case said ->> 'status' when 'Success' then 'deployed' else said ->> 'status' end as what,
  (said ->> 'committed_at')::timestamptz as committed_at, (said ->> 'unplanned')::boolean as unplanned
from sent
where said ->> 'stage' is null and said ->> 'status' <> 'rolled_back';

-- Each stop; with what a start just before it says, unless the stop says itself when it began.
create temporary view deploy as
select line, component, environment, version, what, at,
  case when has_start then before_at else started_at end as began,
  coalesce(committed_at, case when has_start then before_committed_at end) as committed_at,
  coalesce(unplanned, case when has_start then before_unplanned end) as unplanned
from (
  select *, coalesce(started_at is null and lag(what) over attempts = 'started', false) as has_start,
    lag(at) over attempts as before_at, lag(committed_at) over attempts as before_committed_at,
    lag(unplanned) over attempts as before_unplanned
  from clock
  window attempts as (partition by component, environment, attempt order by at, line)
) told
where what <> 'started';
