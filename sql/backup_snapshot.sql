-- The last migration, and the time of this transaction's snapshot.
select max(name), to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
from migrations
