-- Looks again where clock records were written, changed or removed, gives those around the start that is theirs,
-- and keeps `unfinished_starts`.
--
--   $1  the records whose notes are taken, whoever else is taking them
--   $2  how many of the others, the oldest first, that nobody is taking
--   $3  the replica that looks. While there are others, what is mended is noted in turn; and where notes of others are
--       taken, because then no lane keeps newer writes of the deploy away
with
  due as (
    delete from second_looks
    where ctid = any (array(select ctid from second_looks where id = any ($1::bigint[]) order by id for update))
      or ctid = any (array(select ctid from second_looks order by noted_at limit $2::bigint for update skip locked))
    returning component, deploy, moment, id
  ),
  -- The record itself, which comes just after what lies before it, and the one just after it.
  follower as materialized (
    select distinct n.id, n.component, n.deploy, n.moment, n.start_id, n.started_at
    from (
      select component, deploy, moment, id from due
      union all
      select component, deploy, moment, id - 1 from due
    ) touched
      cross join lateral (
        select n.id, n.component, n.deploy, n.moment, n.start_id, n.started_at,
          n.phase <> 'started' and (n.start_id is not null or n.started_at is null) as waits
        from records n
        where n.component = touched.component and n.deploy = touched.deploy and n.moment is not null
          and (n.moment, n.id) > (touched.moment, touched.id)
        order by n.moment, n.id
        limit 1
      ) n
    where n.waits
  ),
  mend as materialized (
    select f.id, f.component, f.deploy, f.moment, before.start_id, before.started_at
    from follower f
      left join lateral (
        select case when b.phase = 'started' then b.id end as start_id,
          case when b.phase = 'started' then b.moment end as started_at
        from records b
        where b.component = f.component and b.deploy = f.deploy and b.moment is not null
          and (b.moment, b.id) < (f.moment, f.id)
        order by b.moment desc, b.id desc
        limit 1
      ) before on true
    where f.start_id is distinct from before.start_id or f.started_at is distinct from before.started_at
    order by f.id -- in which rows are locked: the same for all
  ),
  locked as materialized (
    select m.*, r.before
    from mend m
      cross join lateral (
        select to_jsonb(r) as before
        from records r
        where r.id = m.id and r.component = m.component
          and (r.start_id is distinct from m.start_id or r.started_at is distinct from m.started_at)
          -- Unless a replica has changed it meanwhile: the second look at that change follows.
          and r.deploy = m.deploy and r.moment = m.moment and (r.start_id is not null or r.started_at is null)
        for update
      ) r
  ),
  mended as (
    update records r
    set start_id = m.start_id, started_at = m.started_at,
      duration_seconds = duration_of(r.phase, m.started_at, r.finished_at),
      duration_missing = duration_missing_of(r.phase, m.started_at, r.finished_at),
      updated_at = greatest(now(), r.updated_at + interval '1 microsecond')
    from locked m
    where r.id = m.id and r.component = m.component
    returning r.component, r.deploy, r.moment, r.id, m.before
  ),
  logged as (
    insert into events (number, event, ids, before)
    select nextval('event_number'), 'changed', array[id], before from mended
  ),
  -- Whatever happens at a place in a deploy, what follows a start changes only for the one there and the one before.
  start as materialized (
    select distinct s.component, s.moment, s.id, coalesce(next.phase, 'started') = 'started' as is_unfinished
    from due
      cross join lateral (
        select s.component, s.deploy, s.moment, s.id, s.phase, s.stage
        from records s
        where s.component = due.component and s.deploy = due.deploy and s.moment is not null
          and (s.moment, s.id) <= (due.moment, due.id)
        order by s.moment desc, s.id desc
        limit 2
      ) s
      left join lateral (
        select n.phase
        from records n
        where n.component = s.component and n.deploy = s.deploy and n.moment is not null
          and (n.moment, n.id) > (s.moment, s.id)
        order by n.moment, n.id
        limit 1
      ) next on true
    where s.phase = 'started' and s.stage is null
  ),
  -- One that stays is written anew: a look of another replica that saw it finished may be taking the old row away.
  cleared as (
    delete from unfinished_starts u
    using (select moment, id from start union select moment, id from due) place
    where u.moment = place.moment and u.id = place.id
  ),
  kept as (
    insert into unfinished_starts (component, moment, id)
    select component, moment, id from start where is_unfinished
  )
insert into second_looks (component, deploy, moment, id)
select component, deploy, moment, id
from mended
where $2 > 0 or exists (select from replicas where id <> $3::text::uuid)
