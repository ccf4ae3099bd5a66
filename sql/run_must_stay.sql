-- Whether one of the next 500 records of a run must stay: see `must_stay` in migration 0011.
--   $1      the days after which records are deleted
--   $2, $3  component and run
--   $4, $5  the last record that was read: recorded_at, id
--
-- Returns the last record that was read and whether one must stay; no row after the run's last record. Records of other
-- components in the same run count as read.
with
  next as materialized (
    select r.recorded_at, r.id,
      r.component = $2 and must_stay(r, now() - $1::integer * interval '24 hours') as must_stay
    from records r
    where left(r.run, 200) = left($3, 200) and r.run = $3 and (r.recorded_at, r.id) > ($4::timestamptz, $5::bigint)
    order by r.recorded_at, r.id
    limit 500
  )
select recorded_at, id as last_id, bool_or(must_stay) over () as must_stay, count(*) over () as records
from next
order by recorded_at desc, id desc
limit 1
