-- The sequences that belong to columns of some tables, and the last number drawn from each, or 0. By name.
--   $1  the tables
select s.relname, coalesce(pg_sequence_last_value(s.oid), 0)
from pg_depend d
  join pg_class s on s.oid = d.objid and s.relkind = 'S'
where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
  and d.refobjid = any ($1::text[]::regclass[]) and d.refobjsubid > 0 and d.deptype in ('a', 'i')
order by s.relname
