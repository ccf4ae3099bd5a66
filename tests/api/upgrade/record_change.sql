with
  seen as materialized (
    select r.id, component, deploy, moment, to_jsonb(r) as before,
      case when $4::text is null then 'deleted' else 'changed' end as change
    from records r
    where id = $1 and component = $2 and updated_at = $3
    for update
  ),
  sent as materialized (
    select *, case when starts then started_at when stops then finished_at end as moment
    from (
      select id, starts, stops, $18::uuid as deploy,
        case when starts then coalesce($16::timestamptz, now()) else $16::timestamptz end as started_at,
        case when stops then coalesce($17::timestamptz, now()) else $17::timestamptz end as finished_at
      from seen,
        lateral (select $8::text = 'started' as starts, $8 in ('succeeded', 'failed', 'aborted', 'finished') as stops) p
      where $4 is not null
    ) s
  ),
  written as materialized (
    select w.*, before.start_id, coalesce(w.started_at, before.started_at) as measured_from
    from sent w
      left join lateral (
        select case when b.phase = 'started' then b.id end as start_id,
          case when b.phase = 'started' then b.moment end as started_at
        from records b
        where stops and w.started_at is null and b.component = $4 and b.deploy = w.deploy and b.moment is not null
          and (b.moment, b.id) < (w.moment, w.id) and b.id <> $1
        order by b.moment desc, b.id desc
        limit 1
      ) before on true
  ),

  replaced as (
    update records r
    set component = $4, version = $5, owner = $6, status = $7, phase = $8, environment = $9, run = $10, stage = $11,
      url = $12, commit = $13, committed_at = $14, unplanned = $15,
      started_at = w.measured_from, finished_at = w.finished_at, start_id = w.start_id,
      duration_seconds = duration_of($8, w.measured_from, w.finished_at),
      duration_missing = duration_missing_of($8, w.measured_from, w.finished_at),
      idempotency_key = case when r.component = $4 then r.idempotency_key end,
      content = case when r.component = $4 then r.content end,
      deploy = w.deploy, moment = w.moment,
      updated_at = greatest(now(), r.updated_at + interval '1 microsecond')
    from written w
    where r.id = w.id and r.component = $2
    returning r.*
  ),
  removed as (
    delete from records r
    using seen s
    where $4 is null and r.id = s.id and r.component = s.component
    returning r.*
  ),
  answer as (
    select * from replaced union all select * from removed
  ),
  logged as (
    insert into events (number, event, ids, before)
    select nextval('event_number'), change, array[answer.id], before from answer cross join seen
  ),
  kept as (
    insert into history (id, component, at, change, by, was)
    select seen.id, seen.component, greatest(now(), $3 + interval '1 microsecond'), change, $19,
      before - array['idempotency_key', 'content', 'deploy', 'moment']
    from answer cross join seen
  ),
  noted as (
    insert into second_looks (component, deploy, moment, id)
    select component, deploy, moment, id from seen where moment is not null
    union all
    select $4, deploy, moment, id from written where moment is not null
  )
select id, component, version, owner, status, environment, run, stage, url, commit, committed_at, unplanned,
  started_at, finished_at, phase, start_id, recorded_at, updated_at
from answer
