-- The indexes of a table which no constraint needs, and how each is made.
--   $1  the table
select indexrelid::regclass::text, pg_get_indexdef(indexrelid)
from pg_index
where indrelid = $1::text::regclass and not exists (select from pg_constraint where conindid = indexrelid)
order by indexrelid
