-- The keys of a page of records, newest first, with the size of each record. Planned for its values each time, so that a
-- filter that is null costs nothing.
--   $1–$8    filters, each null for all: component, version, owner, status, phase, environment, run, stage
--   $9, $10  recorded from, recorded before
--   $11, $12 the last record of the previous page: recorded_at, id
--   $13      the number of rows
with found as materialized (
  select * from occurrences($3::text, $6::text, $8::text)
)
select r.recorded_at, r.id, {bytes of r} as bytes
from records r
where ($1::text is null or r.component = $1)
  and ($2::text is null or r.version = $2)
  and ($3 is null or r.owner = $3)
  and ($4::text is null or r.status = $4)
  and ($5::text is null or r.phase = $5)
  and ($6 is null or r.environment = $6)
  and ($7::text is null or left(r.run, 200) = left($7, 200) and r.run = $7)
  and ($8 is null or r.stage = $8)
  -- Without an index of their own, rare values are looked for only where they occur.
  and ($3 is null and $6 is null and $8 is null or $2 is not null or $7 is not null
    or r.recorded_at between (select first_recorded_at from found) and (select last_recorded_at from found))
  and ($9::timestamptz is null or r.recorded_at >= $9)
  and ($10::timestamptz is null or r.recorded_at < $10)
  and ($11::timestamptz is null or (r.recorded_at, r.id) < ($11, $12::bigint))
order by r.recorded_at desc, r.id desc
limit $13
