-- The keys of a page of records, newest first, with the size of each record. Planned for its values each time, so that a
-- filter that is null costs nothing.
--   $1–$8    filters, each null for all: component, version, owner, status, phase, environment, run, stage
--   $9, $10  recorded from, recorded before
--   $11, $12 the last record of the previous page: recorded_at, id
--   $13      the number of rows
select r.recorded_at, r.id, {bytes of r} as bytes
from records r
where ($1::text is null or component = $1)
  and ($2::text is null or version = $2)
  and ($3::text is null or owner = $3)
  and ($4::text is null or status = $4)
  and ($5::text is null or phase = $5)
  and ($6::text is null or environment = $6)
  and ($7::text is null or left(run, 200) = left($7, 200) and run = $7)
  and ($8::text is null or stage = $8)
  and ($9::timestamptz is null or recorded_at >= $9)
  and ($10::timestamptz is null or recorded_at < $10)
  and ($11::timestamptz is null or (recorded_at, id) < ($11, $12::bigint))
order by recorded_at desc, id desc
limit $13
