-- The units of the next 100 old records, in the order in which they were recorded: for `forget_unit` in migration 0010.
--   $1      the days after which records are deleted
--   $2, $3  the last record that was checked: recorded_at, id
--
-- Returns each unit once, as a component and either a run, a deploy or an id; and the last record that was checked.
with
  old as materialized (
    select id, component, run, deploy, moment, recorded_at
    from records
    where recorded_at < now() - $1::integer * interval '24 hours' and (recorded_at, id) > ($2::timestamptz, $3::bigint)
    order by recorded_at, id
    limit 100
  ),
  unit as (
    select distinct component, run, case when run is null and moment is not null then deploy end as deploy,
      case when run is null and moment is null then id end as id
    from old
  )
select component, run, unit.deploy::text, unit.id, last.recorded_at, last.id as last_id
from unit
  cross join (select recorded_at, id from old order by recorded_at desc, id desc limit 1) last
