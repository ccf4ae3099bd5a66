-- Writes, replaces and removes records, all or none, and keeps every duration that this touches right. The one
-- statement that changes records, and the one place where a stop finds its start.
--
--   $1–$17   the records to stand, an element of every array each, in order: id (null: a new one), component,
--            version, owner, status, phase, environment, run, stage, url, commit, committed_at, unplanned, own
--            started_at and finished_at (null: stamped where the phase needs one), and of a new one the
--            idempotency_key and the content's digest; a replaced one keeps its key within its component
--   $18–$20  the records to be replaced or removed as the caller saw them: id, component, updated_at. One whose id
--            is not in $1 is removed
--   $21      how many of the waiting second looks to take
--   $22      the replica that writes. While there are others, and after second looks, what is written is noted for
--            a second look
--
-- Answers what stands now, in no order: new records, whose ids rise in the order of $1; replaced and removed ones;
-- and, with their `line` in $1, first deliveries that stand under the key of a new one, with `same` telling whether
-- the content is the same. Where one is not, or a record of $18 no longer stands as seen, nothing is written.
--
-- Each look-up is a `lateral … limit 1`, which only a nested loop over an index can answer: so the plan is the same
-- on an empty table and on a large one, and a deploy with very many records costs what a small one does. Nothing
-- joins two sets of the statement's own, which without hash joins would cost the square of the batch.
with
  -- Ids are drawn before any join, so that they rise with the lines.
  sent as materialized (
    select line, coalesce(sent.id, nextval('record_id')) as id, sent.id is not null as replaces, component, version,
      owner, status, phase, environment, run, stage, url, commit, committed_at, unplanned,
      phase = 'started' as starts,
      case when phase = 'started' then coalesce(started_at, now()) else started_at end as started_at,
      case when phase in ('succeeded', 'failed', 'aborted', 'finished') then coalesce(finished_at, now())
        else finished_at end as finished_at,
      idempotency_key, content, deploy_of(component, environment, run, stage, version) as deploy
    from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
      $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::boolean[], $14::timestamptz[],
      $15::timestamptz[], $16::text[], $17::bytea[]) with ordinality
      as sent (id, component, version, owner, status, phase, environment, run, stage, url, commit, committed_at,
        unplanned, started_at, finished_at, idempotency_key, content, line)
  ),
  known as materialized (
    select s.*, first.record as first_delivery,
      case when s.starts then s.started_at
        when s.phase in ('succeeded', 'failed', 'aborted', 'finished') then s.finished_at end as moment
    from sent s
      left join lateral (
        select r as record
        from records r
        where not s.replaces and r.component = s.component and r.idempotency_key = s.idempotency_key
        limit 1
      ) first on true
  ),
  seen as materialized (
    select r.*
    from unnest($18::bigint[], $19::text[], $20::timestamptz[]) as seen (id, component, updated_at)
      cross join lateral (
        select r.id, r.component, r.deploy, r.moment
        from records r
        where r.id = seen.id and r.component = seen.component and r.updated_at = seen.updated_at
        limit 1
        for update
      ) r
  ),
  allowed as materialized (
    select
    where not exists (select from known where (first_delivery).content <> content)
      and (select count(*) from seen) = cardinality($18::bigint[])
  ),

  -- What will stand, each clock record between its neighbours among the others.
  placed as materialized (
    select *, moment is not null and not starts and started_at is null as waits,
      lag(id) over neighbours as before_id, lag(moment) over neighbours as before_moment,
      lag(starts) over neighbours as before_starts,
      lead(id) over neighbours as after_id, lead(moment) over neighbours as after_moment
    from known
    where exists (select from allowed) and (first_delivery).id is null
    window neighbours as (partition by deploy, moment is null order by moment, id)
  ),
  -- A stop that waits for a start takes that of the clock record just before it.
  written as materialized (
    select w.*,
      case when waits then case when p.is_nearer then p.start_id when before_starts then before_id end end
        as start_id,
      case when waits then case when p.is_nearer then p.started_at when before_starts then before_moment end end
        as taken_start
    from placed w
      left join lateral (
        select case when p.phase = 'started' then p.id end as start_id,
          case when p.phase = 'started' then p.moment end as started_at,
          before_id is null or (p.moment, p.id) > (before_moment, before_id) as is_nearer
        from records p
        where waits and p.component = w.component and p.deploy = w.deploy and p.moment is not null
          and (p.moment, p.id) < (w.moment, w.id) and p.id <> all ($18::bigint[])
        order by p.moment desc, p.id desc
        limit 1
      ) p on true
  ),

  -- Where the record just after may have a new one before it: at what is written, at what is replaced or removed,
  -- and at what was written while another replica wrote.
  due as (
    delete from second_looks
    where ctid = any (array(
      select ctid from second_looks order by noted_at limit $21::bigint for update skip locked))
    returning component, deploy, moment, id
  ),
  touched as (
    select component, deploy, moment, id, true as stands, starts, after_moment, after_id
    from written where moment is not null
    union all
    select component, deploy, moment, id, false, false, null, null
    from seen where moment is not null and exists (select from allowed)
    union all
    select component, deploy, moment, id, false, false, null, null from due
    union all
    select component, deploy, moment, id - 1, false, false, null, null from due
  ),
  -- Where several lie before it, the latest of those that stand is the one just before it.
  follower as materialized (
    select distinct on (n.id) n.id, n.component, n.deploy, n.moment, t.stands,
      case when t.starts then t.id end as start_id, case when t.starts then t.moment end as started_at
    from touched t
      cross join lateral (
        select n.id, n.component, n.deploy, n.moment,
          n.phase <> 'started' and (n.start_id is not null or n.started_at is null) as waits
        from records n
        where n.component = t.component and n.deploy = t.deploy and n.moment is not null
          and (n.moment, n.id) > (t.moment, t.id) and n.id <> all ($18::bigint[])
        order by n.moment, n.id
        limit 1
      ) n
    where n.waits and (t.after_id is null or (n.moment, n.id) < (t.after_moment, t.after_id))
    order by n.id, t.stands desc, t.moment desc, t.id desc
  ),
  truth as materialized (
    select f.id, f.component, f.deploy, f.moment,
      case when f.stands then f.start_id else p.start_id end as start_id,
      case when f.stands then f.started_at else p.started_at end as started_at
    from follower f
      left join lateral (
        select case when p.phase = 'started' then p.id end as start_id,
          case when p.phase = 'started' then p.moment end as started_at
        from records p
        where not f.stands and p.component = f.component and p.deploy = f.deploy and p.moment is not null
          and (p.moment, p.id) < (f.moment, f.id) and p.id <> all ($18::bigint[])
        order by p.moment desc, p.id desc
        limit 1
      ) p on true
    order by f.id -- in which rows are locked: the same for all
  ),
  mended as (
    update records r
    set start_id = t.start_id, started_at = t.started_at,
      updated_at = greatest(now(), r.updated_at + interval '1 microsecond')
    from truth t
    where r.id = t.id and r.component = t.component
      and (r.start_id is distinct from t.start_id or r.started_at is distinct from t.started_at)
      -- Unless a replica has changed it meanwhile: the second look at that change follows.
      and r.deploy = t.deploy and r.moment = t.moment and (r.start_id is not null or r.started_at is null)
    returning r.component, r.deploy, r.moment, r.id
  ),

  -- Every look-up comes before the first insert: later ones would walk over all that is inserted here.
  inserted as (
    insert into records (id, component, version, owner, status, phase, environment, run, stage, url, commit,
      committed_at, unplanned, started_at, finished_at, start_id, idempotency_key, content)
    select id, component, version, owner, status, phase, environment, run, stage, url, commit,
      committed_at, unplanned, coalesce(started_at, taken_start), finished_at, start_id, idempotency_key, content
    from written
    where not replaces and (select count(*) from truth) >= 0
    order by id
    returning *
  ),
  replaced as (
    update records r
    set component = w.component, version = w.version, owner = w.owner, status = w.status, phase = w.phase,
      environment = w.environment, run = w.run, stage = w.stage, url = w.url, commit = w.commit,
      committed_at = w.committed_at, unplanned = w.unplanned, started_at = coalesce(w.started_at, w.taken_start),
      finished_at = w.finished_at, start_id = w.start_id,
      idempotency_key = case when r.component = w.component then r.idempotency_key end,
      content = case when r.component = w.component then r.content end,
      updated_at = greatest(now(), r.updated_at + interval '1 microsecond')
    from written w join seen s on s.id = w.id
    where w.replaces and r.id = s.id and r.component = s.component
    returning r.*
  ),
  removed as (
    delete from records r
    using seen s
    where exists (select from allowed) and r.id = s.id and r.component = s.component
      and s.id <> all (array(select id from sent where replaces))
    returning r.*
  ),
  noted as (
    insert into second_looks (component, deploy, moment, id)
    select component, deploy, moment, id
    from (
      select component, deploy, moment, id from written where moment is not null
      union all
      select component, deploy, moment, id from seen where moment is not null and exists (select from allowed)
      union all
      select component, deploy, moment, id from mended
    ) touched
    where $21::bigint > 0 or exists (select from replicas where id <> $22::text::uuid)
  )
select id, component, version, owner, status, environment, run, stage, url, commit, committed_at, unplanned,
  started_at, finished_at, phase, start_id, recorded_at, updated_at, line, same
from (
  select null::bigint as line, null::boolean as same, r.* from inserted r
  union all
  select null, null, r.* from replaced r
  union all
  select null, null, r.* from removed r
  union all
  select line, (first_delivery).content = content, (first_delivery).*
  from known where (first_delivery).id is not null
) answer
