-- What happened, in order: the records of one event each at a place of its own, from 1.
--   $1, $2  behind which number and place
--   $3, $4  up to which
--   $5      how many
--
-- Answers the record as it was after the event (before it, where it was removed), nulls where nobody knows any more;
-- then the number, the place and the event; then the record as it was before a change, else nulls.
select r.id, r.component, r.version, r.owner, r.status, r.environment, r.run, r.stage, r.url, r.commit, r.committed_at,
  r.unplanned, r.started_at, r.finished_at, r.phase, r.start_id, r.recorded_at, r.updated_at,
  e.number, e.place, e.event,
  b.id, b.component, b.version, b.owner, b.status, b.environment, b.run, b.stage, b.url, b.commit, b.committed_at,
  b.unplanned, b.started_at, b.finished_at, b.phase, b.start_id, b.recorded_at, b.updated_at
from (
    select number, place, event, id, before
    from events
      cross join lateral unnest(ids) with ordinality one (id, place)
    where number between $1::bigint and $3::bigint and (number > $1 or place > $2::bigint)
      and (number < $3 or place <= $4::bigint)
    order by number, place
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
order by e.number, e.place
