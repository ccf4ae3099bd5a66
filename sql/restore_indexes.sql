-- The indexes of a table that belong to no constraint, and their definitions. In the order of their creation.
--   $1  the table
select indexrelid::regclass::text, pg_get_indexdef(indexrelid)
from pg_index
where indrelid = $1::text::regclass and not exists (select from pg_constraint where conindid = indexrelid)
order by indexrelid
