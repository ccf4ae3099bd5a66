-- One record.
--   $1  id
select id, component, version, owner, status, environment, run, stage, url, commit, committed_at, unplanned,
  started_at, finished_at, phase, start_id, recorded_at, updated_at
from records
where id = $1
