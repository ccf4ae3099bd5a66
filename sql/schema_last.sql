-- The last migration, and whether the table of records exists.
select name, checksum, to_regclass('records') is not null
from migrations
order by name desc
limit 1
