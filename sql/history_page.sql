-- A page of a record's history, newest first.
--   $1  the record
--   $2  the time of the last entry of the previous page
--   $3  the number of rows
--
-- Returns the record before the change; then when, how and by which token it was changed. One row of nulls if there are
-- no (further) entries; no row if there never was such a record.
select {record of was}, entry.at, entry.change, entry.by
from (
    select $1::bigint as id
    where exists (select from records where id = $1) or exists (select from history where id = $1)
  ) known
  left join lateral (
    select h.at, h.change, h.by, h.was
    from history h
    where h.id = known.id and ($2::timestamptz is null or h.at < $2)
    order by h.at desc
    limit $3
  ) entry on true
  left join lateral jsonb_populate_record(null::records, entry.was) was on true
order by entry.at desc
