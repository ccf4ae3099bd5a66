-- Lock, then look: every write first locks the components it touches, then reads their records, measures and commits.
--
-- Under READ COMMITTED each statement of a volatile function has a snapshot of its own, and a transaction's advisory
-- locks are released after its commit is visible. So a write sees everything that earlier writes of its components
-- committed, whichever process sent them. This replaces second looks and the register of replicas.

-- A service of the version before, if one still runs, waits here and then fails with every write: it uses tables that
-- are gone.
lock table records, unfinished_starts, second_looks, replicas in access exclusive mode;

-- A service that may write, as `restore` asks. Each process keeps its row current and deletes it when it ends.
create table heartbeats (
  process uuid primary key,
  seen_at timestamptz not null
);

drop table replicas;
alter table unfinished_starts rename to open_starts;
alter index unfinished_starts_by_moment rename to open_starts_by_moment;
alter index unfinished_starts_by_component rename to open_starts_by_component;

create function stops_clock(phase text) returns boolean
  language sql immutable parallel safe
  return phase in ('succeeded', 'failed', 'aborted', 'finished');

-- Locks components to the end of the transaction. The first thing that a write does: it has no transaction id yet, so
-- that a write which waits here does not hold up the readers of events.
--
-- The lock is on one of 256 slots of this schema's table of records, taken in ascending order, so that no two writes
-- wait for each other. Two components of one slot wait for each other needlessly and rarely. A transaction holds at most
-- 256 of these locks, however many components an import or a group names, and imports run one at a time. PostgreSQL's
-- default lock table has room for 6,400 locks (64 × 100 connections): for an import, and about 20 groups of 256
-- components at once. A service has one group at a time in each of its writing connections.
create function lock_components(components text[]) returns void
  language plpgsql
as $$
declare
  ignored text;
begin
  -- With an older snapshot the look would miss what the lock's last holder committed.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'deploylog needs the transaction isolation level "read committed", not "%"',
      current_setting('transaction_isolation')
      using hint = 'Reset default_transaction_isolation for the role and the database.';
  end if;
  -- A commit that no standby confirmed comes with a warning, which must reach the client.
  ignored := set_config('client_min_messages', 'warning', true);
  perform pg_advisory_xact_lock('records'::regclass::oid::integer, slot)
  from (select distinct hashtext(component) & 255 as slot from unnest(components) component order by slot) slots;
end
$$;

-- Measures again what comes just after these places of deploys, and keeps `open_starts` right there. The components are
-- locked. A place is a clock record that was written, changed or removed.
create function measure_after(components text[], deploys uuid[], moments timestamptz[], ids bigint[], stamp timestamptz)
  returns void
  language plpgsql
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
  set enable_mergejoin = off set enable_bitmapscan = off set jit = off
as $$
begin
  with
    place as materialized (
      select * from unnest(components, deploys, moments, ids) place (component, deploy, moment, id)
    ),
    follower as (
      select distinct n.id, n.component, n.deploy, n.moment, n.start_id, n.started_at
      from place
        cross join lateral (
          select n.*, not n.phase = 'started' and (n.start_id is not null or n.started_at is null) as takes_start
          from records n
          where n.component = place.component and n.deploy = place.deploy and n.moment is not null
            and (n.moment, n.id) > (place.moment, place.id)
          order by n.moment, n.id
          limit 1
        ) n
      where n.takes_start
    ),
    corrected as materialized (
      select f.id, f.component, to_jsonb(r) as before, start.id as start_id, start.moment as started_at
      from follower f
        cross join lateral (
          select * from records r where r.id = f.id and r.component = f.component limit 1
        ) r
        left join lateral (
          select case when b.phase = 'started' then b.id end as id,
            case when b.phase = 'started' then b.moment end as moment
          from records b
          where b.component = f.component and b.deploy = f.deploy and b.moment is not null
            and (b.moment, b.id) < (f.moment, f.id)
          order by b.moment desc, b.id desc
          limit 1
        ) start on true
      where f.start_id is distinct from start.id or f.started_at is distinct from start.moment
    ),
    written as (
      update records r
      set start_id = c.start_id, started_at = c.started_at,
        duration_seconds = duration_of(r.phase, c.started_at, r.finished_at),
        duration_missing = duration_missing_of(r.phase, c.started_at, r.finished_at),
        updated_at = greatest(stamp, r.updated_at + interval '1 microsecond')
      from corrected c
      where r.id = c.id and r.component = c.component
      returning r.id, c.before
    ),
    logged as (
      insert into events (number, event, ids, before)
      select nextval('event_number'), 'changed', array[id], before from written
    ),
    -- Whatever happens at a place, what follows a start changes only for the one there and the one before.
    start as materialized (
      select distinct s.component, s.moment, s.id, coalesce(next.phase, 'started') = 'started' as is_open
      from place
        cross join lateral (
          select s.component, s.deploy, s.moment, s.id, s.phase, s.stage
          from records s
          where s.component = place.component and s.deploy = place.deploy and s.moment is not null
            and (s.moment, s.id) <= (place.moment, place.id)
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
    closed as (
      delete from open_starts o
      using (
        select component, moment, id from place
        union
        select component, moment, id from start
        except
        select component, moment, id from start where is_open
      ) closed
      where o.moment = closed.moment and o.id = closed.id and o.component = closed.component
    )
  insert into open_starts (component, moment, id)
  select component, moment, id
  from start s
  where is_open and not exists (
    select from open_starts o where o.moment = s.moment and o.id = s.id and o.component = s.component);
end
$$;

-- Applies the second looks that are pending: at the records themselves, which come just after the id before theirs, and
-- at those after them.
select measure_after(array_agg(component), array_agg(deploy), array_agg(moment), array_agg(id), clock_timestamp())
from (
  select component, deploy, moment, id from second_looks
  union all
  select component, deploy, moment, id - 1 from second_looks
) due;

-- Makes `open_starts` exact. Until now a start could be there twice or needlessly; and a look at the id before may just
-- have removed the start of another deploy.
insert into open_starts (component, moment, id)
select r.component, r.moment, r.id
from second_looks s
  join records r on r.id = s.id - 1 and r.component = s.component and r.moment = s.moment;
with
  exact as materialized (
    select distinct r.component, r.moment, r.id
    from open_starts o
      join records r on r.id = o.id and r.component = o.component and r.moment = o.moment
      left join lateral (
        select n.phase
        from records n
        where n.component = r.component and n.deploy = r.deploy and n.moment is not null
          and (n.moment, n.id) > (r.moment, r.id)
        order by n.moment, n.id
        limit 1
      ) next on true
    where r.phase = 'started' and r.stage is null and coalesce(next.phase, 'started') = 'started'
  ),
  cleared as (
    delete from open_starts
  )
insert into open_starts (component, moment, id)
select component, moment, id from exact;
drop table second_looks;

-- Records new ones, all or none, and measures them and what comes after them. Imports take turns, one at a time, before
-- they lock a component. One element of every array per line; an array of nothing but nulls may be null. `keys` are idempotency keys, none twice; `contents` and `deploys` the digests
-- of what was sent and of which deploy it speaks.
--
-- Where a key is known, its line is not written: `first_ids` has the record that stands, and `are_same` whether its
-- content is the same. Where one is not, nothing is written. Of each line that is written `lines` has the number,
-- counted from 1, and at the same place `ids`, `start_ids` and `taken_starts` what the record got. What had no time of
-- its own got `stamp`, which is `recorded_at`, too. Ids rise with the lines.
--
-- Each look-up is a `lateral … limit 1`, which only a nested loop over an index can answer: so the plan is the same on
-- an empty table and on a large one, and a deploy with very many records costs what a small one does. Nothing joins two
-- sets of the statement's own, which without hash joins would cost the square of the batch.
create function write_records(
  is_import boolean, components text[], versions text[], owners text[], statuses text[], phases text[], environments text[], runs text[],
  stages text[], urls text[], commits text[], commit_times timestamptz[], unplanned_marks boolean[],
  start_times timestamptz[], finish_times timestamptz[], keys text[], contents bytea[], deploys uuid[],
  out stamp timestamptz, out first_ids bigint[], out are_same boolean[],
  out lines bigint[], out ids bigint[], out start_ids bigint[], out taken_starts timestamptz[])
  language plpgsql
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
  set enable_mergejoin = off set enable_bitmapscan = off set jit = off
as $$
#variable_conflict use_column
declare
  -- The last clock record of the deploy of a record that comes alone.
  last_id bigint;
  last_moment timestamptz;
  last_phase text;
  -- What is not the last of its deploy.
  late_components text[];
  late_deploys uuid[];
  late_moments timestamptz[];
  late_ids bigint[];
begin
  if is_import then
    perform pg_advisory_xact_lock('records'::regclass::oid::integer, -1);
  end if;
  perform lock_components(components);
  -- After the lock: records of a component are stamped in the order in which they are written.
  stamp := clock_timestamp();
  if keys is not null then
    select array_agg(first.id), array_agg(first.is_same)
    into first_ids, are_same
    from unnest(components, keys, contents) sent (component, key, content)
      left join lateral (
        select r.id, r.content = sent.content as is_same
        from records r
        where sent.key is not null and r.component = sent.component and r.idempotency_key = sent.key
        limit 1
      ) first on true;
    if false = any (are_same) then
      return;
    end if;
    -- No standby may have confirmed the commit of a record that stands. Its repetition waits for that, too: a commit that
    -- has something to log does.
    if true = any (are_same) then
      perform pg_logical_emit_message(true, 'deploylog', '');
    end if;
  end if;

  -- A record that comes alone, with neither a key nor times of its own, is mostly the last of its deploy. Then four small
  -- statements do what the large one below does, in half the time.
  if cardinality(components) = 1 and keys is null and start_times is null and finish_times is null then
    select r.id, r.moment, r.phase
    into last_id, last_moment, last_phase
    from records r
    where phases[1] not in ('noted', 'skipped') and r.component = components[1] and r.deploy = deploys[1]
      and r.moment is not null
    order by r.moment desc, r.id desc
    limit 1;
    if last_id is null or last_moment <= stamp then
      lines := array[1];
      ids := array[nextval('record_id')];
      if last_phase = 'started' and stops_clock(phases[1]) then
        start_ids := array[last_id];
        taken_starts := array[last_moment];
        if stages is null then
          delete from open_starts o where o.moment = last_moment and o.id = last_id;
        end if;
      else
        start_ids := array[null];
        taken_starts := array[null];
      end if;
      insert into records (id, component, version, owner, status, phase, environment, run, stage, url, commit,
        committed_at, unplanned, started_at, finished_at, start_id, duration_seconds, duration_missing,
        recorded_at, updated_at, deploy, moment)
      values (ids[1], components[1], versions[1], owners[1], statuses[1], phases[1], environments[1], runs[1], stages[1],
        urls[1], commits[1], commit_times[1], unplanned_marks[1],
        case when phases[1] = 'started' then stamp else taken_starts[1] end,
        case when stops_clock(phases[1]) then stamp end, start_ids[1],
        duration_of(phases[1], taken_starts[1], stamp), duration_missing_of(phases[1], taken_starts[1], stamp),
        stamp, stamp, deploys[1], case when phases[1] not in ('noted', 'skipped') then stamp end);
      if phases[1] = 'started' and stages is null then
        insert into open_starts (component, moment, id) values (components[1], stamp, ids[1]);
      end if;
      insert into events (number, event, ids) values (nextval('event_number'), 'recorded', ids);
      return;
    end if;
  end if;

  with
    sent as materialized (
      select nextval('record_id') as id, *, case when starts then started_at when stops then finished_at end as moment
      from (
        select line, component, version, owner, status, phase, environment, run, stage, url, commit, committed_at,
          unplanned, idempotency_key, content, deploy, phase = 'started' as starts, stops_clock(phase) as stops,
          case when phase = 'started' then coalesce(started_at, stamp) else started_at end as started_at,
          case when stops_clock(phase) then coalesce(finished_at, stamp) else finished_at end as finished_at
        from unnest(components, versions, owners, statuses, phases, environments, runs, stages, urls, commits,
          commit_times, unplanned_marks, start_times, finish_times, keys, contents, deploys, first_ids) with ordinality
          as line (component, version, owner, status, phase, environment, run, stage, url, commit, committed_at,
            unplanned, started_at, finished_at, idempotency_key, content, deploy, first_id, line)
        where first_id is null
      ) line
    ),
    -- Each clock record between its neighbours among the others of this call.
    placed as (
      select *, stops and started_at is null as takes_start,
        lag(id) over neighbours as before_id, lag(moment) over neighbours as before_moment,
        lag(starts) over neighbours as before_starts, lead(stops) over neighbours as after_stops
      from sent
      window neighbours as (partition by deploy, moment is null order by moment, id)
    ),
    -- A stop takes the start of the clock record just before it. That is mostly the deploy's last: then one look-up tells
    -- both what comes before and that nothing comes after.
    written as materialized (
      select w.*, last.comes_after,
        -- The start just before a stop, where this call does not write it.
        case when stops and last.phase = 'started' and not last.comes_after
          and (before_id is null or (last.moment, last.id) > (before_moment, before_id)) then last.moment end
          as closes_moment,
        last.id as last_id,
        case when takes_start then
          case when is_nearer then before.start_id when before_starts then before_id end end as start_id,
        case when takes_start then
          case when is_nearer then before.started_at when before_starts then before_moment end end as taken_start
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
            select last.id, last.moment, last.phase where takes_start and not last.comes_after
            union all (
              select b.id, b.moment, b.phase
              from records b
              where takes_start and last.comes_after and b.component = w.component and b.deploy = w.deploy
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
        recorded_at, updated_at, idempotency_key, content, deploy, moment)
      select id, component, version, owner, status, phase, environment, run, stage, url, commit,
        committed_at, unplanned, coalesce(started_at, taken_start), finished_at, start_id,
        duration_of(phase, coalesce(started_at, taken_start), finished_at),
        duration_missing_of(phase, coalesce(started_at, taken_start), finished_at),
        stamp, stamp, idempotency_key, content, deploy, moment
      from written
    ),
    opened as (
      insert into open_starts (component, moment, id)
      select component, moment, id
      from written
      where starts and stage is null and after_stops is not true and comes_after is not true
    ),
    closed as (
      delete from open_starts o
      using written w
      where w.closes_moment is not null and w.stage is null and o.moment = w.closes_moment and o.id = w.last_id
    ),
    -- A number is drawn once the transaction has its id, by which readers know who may still log a lower one.
    logged as (
      insert into events (number, event, ids)
      select case when pg_current_xact_id() is not null then nextval('event_number') end, 'recorded', ids
      from (select array_agg(id order by id) as ids from written) new
      where ids is not null
    )
  select array_agg(line), array_agg(id), array_agg(start_id), array_agg(taken_start),
    array_agg(component) filter (where comes_after), array_agg(deploy) filter (where comes_after),
    array_agg(moment) filter (where comes_after), array_agg(id) filter (where comes_after)
  into lines, ids, start_ids, taken_starts, late_components, late_deploys, late_moments, late_ids
  from written;
  if late_ids is not null then
    perform measure_after(late_components, late_deploys, late_moments, late_ids, stamp);
  end if;
end
$$;

-- Changes or deletes a record that is as the caller saw it, and measures it and its neighbours. `new_component` is null
-- to delete it. `new_deploy` is the digest of the deploy it then speaks of; a moment that is null is stamped where the
-- phase needs one; `token` is the name of the token that asks for it. Its history keeps what it was. It keeps its key
-- within its component.
--
-- Returns the record as it is now, or as it was when it was deleted; nothing if it is not as the caller saw it.
create function change_record(
  seen_id bigint, seen_component text, seen_updated_at timestamptz,
  new_component text, new_version text, new_owner text, new_status text, new_phase text, new_environment text,
  new_run text, new_stage text, new_url text, new_commit text, new_committed_at timestamptz, new_unplanned boolean,
  new_started_at timestamptz, new_finished_at timestamptz, new_deploy uuid, token text)
  returns setof records
  language plpgsql
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
  set enable_mergejoin = off set enable_bitmapscan = off set jit = off
as $$
declare
  seen records;
  now_stands records;
  stamp timestamptz;
  start record;
begin
  perform lock_components(array[seen_component, coalesce(new_component, seen_component)]);
  select * into seen
  from records r
  where r.id = seen_id and r.component = seen_component and r.updated_at = seen_updated_at;
  if not found then
    return;
  end if;
  stamp := clock_timestamp();
  insert into history (id, component, at, change, by, was)
  values (seen.id, seen.component, greatest(stamp, seen.updated_at + interval '1 microsecond'),
    case when new_component is null then 'deleted' else 'changed' end, token,
    to_jsonb(seen) - array['idempotency_key', 'content', 'deploy', 'moment']);
  insert into events (number, event, ids, before)
  values (nextval('event_number'), case when new_component is null then 'deleted' else 'changed' end,
    array[seen.id], to_jsonb(seen));

  if new_component is null then
    delete from records r where r.id = seen.id and r.component = seen.component;
    now_stands := seen;
  else
    now_stands := seen;
    now_stands.component := new_component;
    now_stands.version := new_version;
    now_stands.owner := new_owner;
    now_stands.status := new_status;
    now_stands.environment := new_environment;
    now_stands.run := new_run;
    now_stands.stage := new_stage;
    now_stands.url := new_url;
    now_stands.commit := new_commit;
    now_stands.committed_at := new_committed_at;
    now_stands.unplanned := new_unplanned;
    now_stands.started_at := case when new_phase = 'started' then coalesce(new_started_at, stamp) else new_started_at end;
    now_stands.finished_at := case when stops_clock(new_phase) then coalesce(new_finished_at, stamp) else new_finished_at end;
    now_stands.phase := new_phase;
    now_stands.start_id := null;
    now_stands.deploy := new_deploy;
    now_stands.moment := case when new_phase = 'started' then now_stands.started_at
      when stops_clock(new_phase) then now_stands.finished_at end;
    now_stands.updated_at := greatest(stamp, seen.updated_at + interval '1 microsecond');
    if new_component <> seen.component then
      now_stands.idempotency_key := null;
      now_stands.content := null;
    end if;
    if stops_clock(new_phase) and new_started_at is null then
      select b.id, b.moment, b.phase into start
      from records b
      where b.component = new_component and b.deploy = new_deploy and b.moment is not null
        and (b.moment, b.id) < (now_stands.moment, seen.id) and b.id <> seen.id
      order by b.moment desc, b.id desc
      limit 1;
      if start.phase = 'started' then
        now_stands.start_id := start.id;
        now_stands.started_at := start.moment;
      end if;
    end if;
    now_stands.duration_seconds := duration_of(new_phase, now_stands.started_at, now_stands.finished_at);
    now_stands.duration_missing := duration_missing_of(new_phase, now_stands.started_at, now_stands.finished_at);
    update records r
    set component = now_stands.component, version = now_stands.version, owner = now_stands.owner,
      status = now_stands.status, environment = now_stands.environment, run = now_stands.run,
      stage = now_stands.stage, url = now_stands.url, commit = now_stands.commit,
      committed_at = now_stands.committed_at, unplanned = now_stands.unplanned,
      started_at = now_stands.started_at, finished_at = now_stands.finished_at, phase = now_stands.phase,
      start_id = now_stands.start_id, duration_seconds = now_stands.duration_seconds,
      duration_missing = now_stands.duration_missing, updated_at = now_stands.updated_at,
      idempotency_key = now_stands.idempotency_key, content = now_stands.content,
      deploy = now_stands.deploy, moment = now_stands.moment
    where r.id = seen.id and r.component = seen.component;
  end if;

  perform measure_after(array_agg(component), array_agg(deploy), array_agg(moment), array_agg(id), stamp)
  from (
    select seen.component, seen.deploy, seen.moment, seen.id
    union
    select now_stands.component, now_stands.deploy, now_stands.moment, now_stands.id
  ) place
  where moment is not null;
  return next now_stands;
end
$$;

-- Deletes one unit of records that are older than `days`, as `sql/records_old.sql` names it: a run, a deploy without a
-- run, or a record. Returns how many records went, at most 1,000.
--
-- Old is what was recorded, and happened, longer ago than that.
--
-- - A run goes once all of its records are old and none speaks of what is deployed now. One of more than 1,000 records
--   goes in parts, between which no finish loses the start that it takes.
-- - A deploy without a run goes from its beginning up to what stays, so what stays keeps its place among its neighbours.
--   A finish that stays keeps the start that it takes. One that has none keeps the stop just before it, with the start
--   of that, so that a start which comes late is not taken for its own. At most 50 of its records go at a time.
-- - A record that touches no clock and has no run goes by itself.
--
-- What is deployed now stays: the last finished deploy of a place, and the last that succeeded.
create function forget_unit(days integer, unit_component text, unit_run text, unit_deploy uuid, unit_id bigint)
  returns integer
  language plpgsql
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
  set enable_mergejoin = off set enable_bitmapscan = off set jit = off
as $$
declare
  cut constant timestamptz := now() - days * interval '24 hours';
  count integer;
begin
  perform lock_components(array[unit_component]);
  with
    member as materialized (
      select *
      from (
        -- The offset keeps the component out of here, else its own index may seem as good: it has far more records.
        select *
        from records r
        where unit_run is not null and left(run, 200) = left(unit_run, 200) and run = unit_run
        offset 0
      ) r
      where component = unit_component and not exists (
        select from (
          select component
          from records
          where left(run, 200) = left(unit_run, 200) and run = unit_run and recorded_at >= cut
          offset 0
        ) young
        where young.component = unit_component)
      union all (
        select *
        from records r
        where unit_run is null and component = unit_component and deploy = unit_deploy and moment is not null
        order by moment, id
        limit 51
      )
      union all
      select * from records r where unit_id is not null and id = unit_id and component = unit_component
        and run is null and moment is null
    ),
    judged as (
      select *, stops_clock(phase) and (start_id is not null or started_at is null) as takes_start,
        greatest(recorded_at, moment) >= cut
        or stage is null and stops_clock(phase) and (
          not exists (
            select from records n
            where n.component = m.component and coalesce(n.environment, '') = coalesce(m.environment, '')
              and n.stage is null and stops_clock(n.phase) and (n.moment, n.id) > (m.moment, m.id))
          or phase = 'succeeded' and not exists (
            select from records n
            where n.component = m.component and coalesce(n.environment, '') = coalesce(m.environment, '')
              and n.stage is null and stops_clock(n.phase) and n.phase = 'succeeded'
              and (n.moment, n.id) > (m.moment, m.id))) as stays
      from member m
    ),
    bounded as (
      select *, case when run is null then bool_or(stays) over up_to_here or row_number() over up_to_here > 50
        else bool_or(stays) over () or row_number() over up_to_here > 1000 end as is_beyond
      from judged
      window up_to_here as (order by deploy, moment, id)
    ),
    guarded as (
      select *, not is_beyond and lead(is_beyond) over in_order and lead(takes_start) over in_order as is_guard
      from bounded
      window in_order as (partition by deploy order by moment, id)
    ),
    due as materialized (
      select id, component
      from (
        select *, lead(is_guard) over in_order and lead(start_id) over in_order = id as is_guards_start
        from guarded
        window in_order as (partition by deploy order by moment, id)
      ) k
      where not is_beyond and is_guard is not true and is_guards_start is not true
    ),
    removed as (
      delete from records r
      using due
      where r.id = due.id and r.component = due.component
      returning r.id, r.component, r.moment, r.phase, r.stage, to_jsonb(r) as before
    ),
    closed as (
      delete from open_starts o
      using removed r
      where r.phase = 'started' and r.stage is null and o.moment = r.moment and o.id = r.id
        and o.component = r.component
    ),
    -- What is forgotten is forgotten: no entry says what it was.
    forgotten as (
      delete from history h using removed r where h.id = r.id
    ),
    logged as (
      insert into events (number, event, ids, before)
      select nextval('event_number'), 'deleted', array[id], before from removed
    )
  select count(*) into count from removed;
  return count;
end
$$;
