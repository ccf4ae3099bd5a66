with
  sent as materialized (
    select nextval('record_id') as id, s.*, first.id as first_id, first.is_same,
      case when starts then started_at when stops then finished_at end as moment
    from (
      select line, component, version, owner, status, phase, environment, run, stage, url, commit, committed_at,
        unplanned, idempotency_key, content, deploy, starts, stops,
        case when starts then coalesce(started_at, now()) else started_at end as started_at,
        case when stops then coalesce(finished_at, now()) else finished_at end as finished_at
      from (
        select *, phase = 'started' as starts, phase in ('succeeded', 'failed', 'aborted', 'finished') as stops
        from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
          $9::text[], $10::text[], $11::timestamptz[], $12::boolean[], $13::timestamptz[], $14::timestamptz[],
          $15::text[], $16::bytea[], $17::uuid[]) with ordinality
          as line (component, version, owner, status, phase, environment, run, stage, url, commit, committed_at,
            unplanned, started_at, finished_at, idempotency_key, content, deploy, line)
      ) line
    ) s
      left join lateral (
        select r.id, r.content = s.content as is_same
        from records r
        where s.idempotency_key is not null and r.component = s.component and r.idempotency_key = s.idempotency_key
        limit 1
      ) first on true
  ),

  placed as (
    select *, stops and started_at is null as waits,
      lag(id) over neighbours as before_id, lag(moment) over neighbours as before_moment,
      lag(starts) over neighbours as before_starts, lead(stops) over neighbours as after_stops
    from sent
    where first_id is null and not exists (select from sent where not is_same)
    window neighbours as (partition by deploy, moment is null order by moment, id)
  ),
  written as materialized (
    select w.*, last.comes_after,
      case when stops and last.phase = 'started' and not last.comes_after
        and (before_id is null or (last.moment, last.id) > (before_moment, before_id)) then last.moment end
        as finishes_moment,
      last.id as last_id,
      case when waits then case when is_nearer then before.start_id when before_starts then before_id end end
        as start_id,
      case when waits then case when is_nearer then before.started_at when before_starts then before_moment end end
        as taken_start
    from placed w
      left join lateral (
        select l.id, l.moment, l.phase, (l.moment, l.id) > (w.moment, w.id) as comes_after
        from records l
        where w.moment is not null and l.component = w.component and l.deploy = w.deploy and l.moment is not null
        order by l.moment desc, l.id desc
        limit 1
      ) last on true
      left join lateral (
        select case when b.phase = 'started' then b.id end as start_id,
          case when b.phase = 'started' then b.moment end as started_at,
          before_id is null or (b.moment, b.id) > (before_moment, before_id) as is_nearer
        from (
          select last.id, last.moment, last.phase where waits and not last.comes_after
          union all (
            select b.id, b.moment, b.phase
            from records b
            where waits and last.comes_after and b.component = w.component and b.deploy = w.deploy
              and b.moment is not null and (b.moment, b.id) < (w.moment, w.id)
            order by b.moment desc, b.id desc
            limit 1
          )
        ) b
      ) before on true
  ),

  inserted as (
    insert into records (id, component, version, owner, status, phase, environment, run, stage, url, commit,
      committed_at, unplanned, started_at, finished_at, start_id, duration_seconds, duration_missing,
      idempotency_key, content, deploy, moment)
    select id, component, version, owner, status, phase, environment, run, stage, url, commit,
      committed_at, unplanned, coalesce(started_at, taken_start), finished_at, start_id,
      duration_of(phase, coalesce(started_at, taken_start), finished_at),
      duration_missing_of(phase, coalesce(started_at, taken_start), finished_at),
      idempotency_key, content, deploy, moment
    from written
  ),
  begun as (
    insert into unfinished_starts (component, moment, id)
    select component, moment, id from written where starts and stage is null and after_stops is not true
  ),
  ended as (
    delete from unfinished_starts u
    using written w
    where w.finishes_moment is not null and w.stage is null and u.moment = w.finishes_moment and u.id = w.last_id
  ),
  logged as (
    insert into events (number, event, ids)
    select case when pg_current_xact_id() is not null then nextval('event_number') end, 'recorded', ids
    from (select array_agg(id order by id) as ids from written) new
    where ids is not null
  ),
  noted as (
    insert into second_looks (component, deploy, moment, id)
    select component, deploy, moment, id
    from written
    where comes_after or moment is not null and exists (select from replicas where id <> $18::text::uuid)
  )
select line, id, coalesce(started_at, taken_start) as started_at, finished_at, start_id, now() as recorded_at,
  comes_after, null::boolean as is_same
from written
union all
select line, first_id, null, null, null, null, null, is_same from sent where first_id is not null
