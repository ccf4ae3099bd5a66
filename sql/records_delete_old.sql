-- Deletes one unit of old records: see `forget_unit` in migration 0010. Returns the number of deleted records.
--   $1      the days after which records are deleted
--   $2–$5   the unit, as `records_old.sql` returns it: component, run, deploy, id
select forget_unit($1, $2, $3, $4::text::uuid, $5)
