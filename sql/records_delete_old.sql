-- Deletes old records of one unit: see `delete_old_records` in migration 0011. Returns the number of deleted records.
--   $1      the days after which records are deleted
--   $2–$4   the unit, as `records_old.sql` returns it: component, run, ids
select delete_old_records($1, $2, $3, $4)
