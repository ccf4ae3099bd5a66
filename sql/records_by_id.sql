-- Records by their ids, in no order; those that do not exist are left out.
--   $1  the ids
select id, component, version, owner, status, environment, run, stage, url, commit, committed_at, unplanned,
  started_at, finished_at, phase, start_id, recorded_at, updated_at
from records
where id = any ($1)
