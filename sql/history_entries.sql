-- Entries of a record's history, newest first.
--   $1  the record
--   $2  the times of the entries
--
-- Returns the record before the change; then when, how and by which token it was changed.
select {record of was}, h.at, h.change, h.by
from history h
  cross join lateral jsonb_populate_record(null::records, h.was) was
where h.id = $1 and h.at = any ($2)
order by h.at desc
