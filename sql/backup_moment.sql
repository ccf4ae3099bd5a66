-- The last step that was taken on the schema, and the moment that everything read in this transaction is of.
select max(name), to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
from migrations
