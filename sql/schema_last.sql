-- The last step that was taken on the schema, and whether the table of records is there.
select name, checksum, to_regclass('records') is not null
from migrations
order by name desc
limit 1
