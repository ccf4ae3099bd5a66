-- The next 500 old records, in the order in which they were recorded, grouped into units for `delete_old_records` in
-- migration 0011.
--   $1      the days after which records are deleted
--   $2, $3  the last record that was read: recorded_at, id
--
-- Returns each unit once: the records of a run, of a deploy without a run, or one record that belongs to neither; and the
-- last record that was read.
with
  old as materialized (
    select id, component, run, deploy, moment, recorded_at
    from records
    where recorded_at < now() - $1::integer * interval '24 hours' and (recorded_at, id) > ($2::timestamptz, $3::bigint)
    order by recorded_at, id
    limit 500
  ),
  unit as (
    select component, run, array_agg(id) as ids
    from old
    group by component, run, case when run is null and moment is not null then deploy end,
      case when run is null and moment is null then id end
  )
select component, run, ids, last.recorded_at, last.id as last_id
from unit
  cross join (select recorded_at, id from old order by recorded_at desc, id desc limit 1) last
