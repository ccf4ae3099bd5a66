-- Deletes an old unit of records: see `forget_unit` in migration 0010. Answers how many records went.
--   $1      the days that records are kept
--   $2–$5   the unit, as `records_old.sql` names it: component, run, deploy, id
select forget_unit($1, $2, $3, $4::text::uuid, $5)
