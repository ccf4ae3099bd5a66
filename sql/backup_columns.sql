-- The columns of a table that a backup holds, in order: all but those which PostgreSQL generates.
--   $1  the table
select attname
from pg_attribute
where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''
order by attnum
