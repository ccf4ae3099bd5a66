with
  old as materialized (
    select id, component, environment, run, stage, phase, deploy, moment, started_at, start_id, recorded_at, updated_at
    from records
    where recorded_at < now() - $1::integer * interval '24 hours' and (recorded_at, id) > ($2::timestamptz, $3::bigint)
    order by recorded_at, id
    limit 100
  ),
  member as materialized (
    select 'run ' || whole.run as unit, r.*
    from (select distinct component, run from old where run is not null) whole
      cross join lateral (
        select id, component, environment, run, stage, phase, deploy, moment, started_at, start_id, recorded_at,
          updated_at
        from (
          select *
          from records r
          where left(run, 200) = left(whole.run, 200) and run = whole.run
          offset 0
        ) r
        where component = whole.component
      ) r
    where not exists (
      select from (
        select component
        from records
        where left(run, 200) = left(whole.run, 200) and run = whole.run
          and recorded_at >= now() - $1 * interval '24 hours'
        offset 0
      ) young
      where young.component = whole.component)
    union all
    select 'deploy ' || front.deploy, r.*
    from (select distinct component, deploy from old where run is null and moment is not null) front
      cross join lateral (
        select id, component, environment, run, stage, phase, deploy, moment, started_at, start_id, recorded_at,
          updated_at
        from records r
        where component = front.component and deploy = front.deploy and moment is not null
        order by moment, id
        limit 51
      ) r
    union all
    select 'record ' || id, * from old where run is null and moment is null
  ),
  judged as (
    select *, phase in ('succeeded', 'failed', 'aborted', 'finished') and (start_id is not null or started_at is null)
        as waits,
      greatest(recorded_at, moment) >= now() - $1 * interval '24 hours'
      or stage is null and phase in ('succeeded', 'failed', 'aborted', 'finished') and (
        not exists (
          select from records n
          where n.component = m.component and coalesce(n.environment, '') = coalesce(m.environment, '')
            and n.stage is null and n.phase in ('succeeded', 'failed', 'aborted', 'finished')
            and (n.moment, n.id) > (m.moment, m.id))
        or phase = 'succeeded' and not exists (
          select from records n
          where n.component = m.component and coalesce(n.environment, '') = coalesce(m.environment, '')
            and n.stage is null and n.phase in ('succeeded', 'failed', 'aborted', 'finished') and n.phase = 'succeeded'
            and (n.moment, n.id) > (m.moment, m.id))) as stays
    from member m
  ),
  bounded as (
    select *, case when run is null then bool_or(stays) over up_to_here or row_number() over up_to_here > 50
      else bool_or(stays) over (partition by component, unit) or row_number() over up_to_here > 1000 end as is_beyond
    from judged
    window up_to_here as (partition by component, unit order by deploy, moment, id)
  ),
  guarded as (
    select *, not is_beyond and lead(is_beyond) over in_order and lead(waits) over in_order as is_guard
    from bounded
    window in_order as (partition by component, unit, deploy order by moment, id)
  ),
  due as materialized (
    select unit, id, component, updated_at
    from (
      select *, lead(is_guard) over in_order and lead(start_id) over in_order = id as is_guards_start
      from guarded
      window in_order as (partition by component, unit, deploy order by moment, id)
    ) k
    where not is_beyond and is_guard is not true and is_guards_start is not true
  ),

  taken as materialized (
    select due.id, due.component, bool_and(locked.id is not null) over (partition by due.component, due.unit) as is_whole
    from due
      left join lateral (
        select id
        from records r
        where r.id = due.id and r.component = due.component and r.updated_at = due.updated_at
        for update skip locked
      ) locked on true
  ),
  removed as (
    delete from records r
    using taken t
    where t.is_whole and r.id = t.id and r.component = t.component
    returning r.id, r.moment, r.phase, r.stage, to_jsonb(r) as before
  ),
  ended as (
    delete from unfinished_starts u
    using removed r
    where r.phase = 'started' and r.stage is null and u.moment = r.moment and u.id = r.id
  ),
  forgotten as (
    delete from history h using removed r where h.id = r.id
  ),
  logged as (
    insert into events (number, event, ids, before)
    select nextval('event_number'), 'deleted', array[id], before from removed
  )
select recorded_at, id, (select count(*) from removed) from old order by recorded_at desc, id desc limit 1
