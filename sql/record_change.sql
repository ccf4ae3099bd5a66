-- Replaces or removes a record that stands as the caller saw it, and keeps every duration that this touches right.
--
--   $1–$3    the record as seen: id, component, updated_at
--   $4–$17   what is to stand: component (null: nothing), version, owner, status, phase, environment, run, stage, url,
--            commit, committed_at, unplanned, own started_at and finished_at (null: stamped where the phase needs one)
--   $18      the digest of its deploy
--   $19      the replica that writes. While there are others, what is touched is noted for a second look
--
-- Answers the record as it is now, or as it was when it went; nothing where it does not stand as seen. It keeps its
-- key within its component. The look-ups are those of records_insert.sql, with the record itself left out.
with
  seen as materialized (
    select id, component, deploy, moment
    from records
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
      where $4::text is not null
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

  -- The record just after where it was, and the one just after where it is.
  follower as materialized (
    select distinct n.id, n.component, n.deploy, n.moment
    from (
      select component, deploy, moment, id from seen where moment is not null
      union all
      select $4, deploy, moment, id from written where moment is not null
    ) touched
      cross join lateral (
        select n.id, n.component, n.deploy, n.moment,
          n.phase <> 'started' and (n.start_id is not null or n.started_at is null) as waits
        from records n
        where n.component = touched.component and n.deploy = touched.deploy and n.moment is not null
          and (n.moment, n.id) > (touched.moment, touched.id) and n.id <> $1
        order by n.moment, n.id
        limit 1
      ) n
    where n.waits
  ),
  mend as materialized (
    select f.*, case when before.starts then before.id end as start_id,
      case when before.starts then before.moment end as started_at
    from follower f
      left join lateral (
        select *
        from (
          select id, moment, starts
          from written
          where deploy = f.deploy and (moment, id) < (f.moment, f.id)
          union all (
            select b.id, b.moment, b.phase = 'started'
            from records b
            where b.component = f.component and b.deploy = f.deploy and b.moment is not null
              and (b.moment, b.id) < (f.moment, f.id) and b.id <> $1
            order by b.moment desc, b.id desc
            limit 1
          )
        ) b
        order by moment desc, id desc
        limit 1
      ) before on true
    order by f.id -- in which rows are locked: the same for all
  ),
  mended as (
    update records r
    set start_id = m.start_id, started_at = m.started_at,
      duration_seconds = duration_of(r.phase, m.started_at, r.finished_at),
      duration_missing = duration_missing_of(r.phase, m.started_at, r.finished_at),
      updated_at = greatest(now(), r.updated_at + interval '1 microsecond')
    from mend m
    where r.id = m.id and r.component = m.component
      and (r.start_id is distinct from m.start_id or r.started_at is distinct from m.started_at)
      -- Unless a replica has changed it meanwhile: the second look at that change follows.
      and r.deploy = m.deploy and r.moment = m.moment and (r.start_id is not null or r.started_at is null)
    returning r.component, r.deploy, r.moment, r.id
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
  noted as (
    insert into second_looks (component, deploy, moment, id)
    select component, deploy, moment, id
    from (
      select component, deploy, moment, id from seen where moment is not null
      union all
      select $4, deploy, moment, id from written where moment is not null
      union all
      select component, deploy, moment, id from mended
    ) touched
    where exists (select from replicas where id <> $19::text::uuid)
  )
select id, component, version, owner, status, environment, run, stage, url, commit, committed_at, unplanned,
  started_at, finished_at, phase, start_id, recorded_at, updated_at
from (select * from replaced union all select * from removed) answer
