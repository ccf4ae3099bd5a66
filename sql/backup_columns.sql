-- The columns of a table that a backup contains: all except generated ones. In the table's order.
--   $1  the table
select attname
from pg_attribute
where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''
order by attnum
