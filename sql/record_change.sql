-- Changes or deletes a record that is as the caller saw it: see `change_record` in migration 0010.
--   $1–$3    the record as seen: id, component, updated_at
--   $4–$17   what it becomes: component (null: it is deleted), version, owner, status, phase, environment, run, stage,
--            url, commit, committed_at, unplanned, own started_at and finished_at (null: stamped where the phase needs
--            one)
--   $18      the digest of its deploy
--   $19      the name of the token that asks for it (may be null)
select id, component, version, owner, status, environment, run, stage, url, commit, committed_at, unplanned,
  started_at, finished_at, phase, start_id, recorded_at, updated_at
from change_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
