-- Writes new records, all or none: see `write_records` in migration 0013.
--   $1      whether this is an import
--   $2–$19  the records, one line of all arrays each: component, version, owner, status, phase, environment, run,
--           stage, url, commit, committed_at, unplanned, waited_seconds, started_at and finished_at (null: stamped if
--           the phase needs one), idempotency_key, the digest of the content, the digest of the deploy
--
-- Returns one row: for lines whose key exists, the id of its record and whether the content is the same; for the others
-- the line (from 1), the new id and the start that is paired with it.
select stamp, first_ids, are_same, lines, ids, start_ids, taken_starts
from write_records($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
