-- A page of events in their order. An event that records several records is one row per record, with ordinals from 1.
--   $1, $2  after this number and ordinal
--   $3, $4  up to this number and ordinal
--   $5      the number of rows
--
-- Returns the record after the event (for `deleted`: before it), all nulls if it is unknown; then the record before the
-- event for `changed`, otherwise nulls; then the event.
select {record of r}, {record of b}, e.number, e.ordinal, e.event
from (
    select e.number, one.ordinal, e.event, one.id, e.before
    from events e
      cross join lateral unnest(e.ids) with ordinality one (id, ordinal)
    where e.number between $1::bigint and $3::bigint and (e.number > $1 or one.ordinal > $2::bigint)
      and (e.number < $3 or one.ordinal <= $4::bigint)
    order by e.number, one.ordinal
    limit $5::bigint
  ) e
  left join lateral (
    select next.before
    from events next
    where next.event <> 'recorded' and next.ids[1] = e.id and next.number > e.number
    order by next.number
    limit 1
  ) next on true
  left join lateral (
    select *
    from records r
    where e.event <> 'deleted' and next.before is null and r.id = e.id
    union all
    select *
    from jsonb_populate_record(null::records, case e.event when 'deleted' then e.before else next.before end)
    where e.event = 'deleted' or next.before is not null
    limit 1
  ) r on true
  left join lateral (
    select * from jsonb_populate_record(null::records, e.before) where e.event = 'changed'
  ) b on true
order by e.number, e.ordinal
