-- Changes or deletes a record that is still as the caller saw it: see `change_record` in migration 0013.
--   $1–$3    the record as seen: id, component, updated_at
--   $4–$18   its new content: component (null to delete the record), version, owner, status, phase, environment, run,
--            stage, url, commit, committed_at, unplanned, waited_seconds, own started_at and finished_at (null: stamped
--            if the phase needs one)
--   $19      the digest of its deploy
--   $20      the name of the token of the request, or null
--
-- Returns the record as it is now, or as it was before it was deleted; no row if it has changed since.
select {record of r}
from change_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) r
