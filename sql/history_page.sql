-- The keys of a page of a record's history, newest first.
--   $1  the record
--   $2  the time of the last entry of the previous page
--   $3  the number of rows
--
-- Returns the time of each entry and the size of its record. One row of nulls if there are no (further) entries; no row if
-- there never was such a record.
select entry.at, entry.bytes
from (
    select $1::bigint as id
    where exists (select from records r where r.id = $1) or exists (select from history h where h.id = $1)
  ) known
  left join lateral (
    select h.at, octet_length(h.was::text) as bytes
    from history h
    where h.id = known.id and ($2::timestamptz is null or h.at < $2)
    order by h.at desc
    limit $3
  ) entry on true
order by entry.at desc
