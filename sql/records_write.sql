-- Records new ones, all or none: see `write_records` in migration 0010.
--   $1      whether this is an import
--   $2–$18  the records, an element of every array per line, in order: component, version, owner, status, phase,
--           environment, run, stage, url, commit, committed_at, unplanned, started_at and finished_at (null: stamped
--           where the phase needs one), idempotency_key, the content's digest, the deploy's digest
select stamp, first_ids, are_same, lines, ids, start_ids, taken_starts
from write_records($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
