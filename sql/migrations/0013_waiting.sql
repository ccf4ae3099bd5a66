-- `waited_seconds`: how much of a duration was waiting. A late start does not change it.

alter table records add column waited_seconds double precision;

-- For durations. Each includes the new column, so that the reports still read nothing but an index.
drop index deploys_by_moment;
create index deploys_by_moment on records (moment, id)
  include (component, environment, phase, duration_seconds, waited_seconds)
  where stage is null and phase in ('succeeded', 'failed', 'aborted', 'finished');

drop index stages_by_place;
create index stages_by_place on records (component, moment)
  include (stage, environment, duration_seconds, waited_seconds)
  where stage is not null and length(stage) <= 200 and phase = 'succeeded';

drop function write_records, change_record;

-- Writes new records, all or none, and pairs them and what comes after them. Imports run one at a time. Every array has
-- one element per line; an array of nulls can be null. `keys` are idempotency keys without repetitions; `contents` are
-- the digests of what was sent, `deploys` those of the deploys.
--
-- A line with a known key is not written: `first_ids` has its record, and `are_same` whether the content is the same. If
-- one differs, nothing is written. For each written line `lines` has its number, counted from 1, and at the same position
-- `ids`, `start_ids` and `taken_starts` have what the record got. `stamp` is `recorded_at`, and the moment of a clock
-- record without one. Ids rise with the lines.
--
-- Each look-up is a `lateral … limit 1`, which only a nested loop over an index can answer. So the plan is the same for
-- an empty table and for a large one, and a deploy with many records costs as much as a small one. Nothing joins two
-- sets of the statement itself: without hash joins that would cost the square of the batch.
create function write_records(
  is_import boolean, components text[], versions text[], owners text[], statuses text[], phases text[],
  environments text[], runs text[], stages text[], urls text[], commits text[], commit_times timestamptz[],
  unplanned_marks boolean[], waits double precision[], start_times timestamptz[], finish_times timestamptz[],
  keys text[], contents bytea[], deploys uuid[],
  out stamp timestamptz, out first_ids bigint[], out are_same boolean[],
  out lines bigint[], out ids bigint[], out start_ids bigint[], out taken_starts timestamptz[])
  language plpgsql
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
  set enable_mergejoin = off set enable_bitmapscan = off set jit = off
as $$
#variable_conflict use_column
declare
  -- The last clock record of the deploy of a single record.
  last_id bigint;
  last_moment timestamptz;
  last_phase text;
  -- The new clock records that others of their deploy follow.
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
    -- Perhaps no standby has confirmed the commit of a known record yet. Its repetition waits for that too, because a
    -- commit that logs something does.
    if true = any (are_same) then
      perform pg_logical_emit_message(true, 'deploylog', '');
    end if;
  end if;

  -- A single record without a key and without times is mostly the last of its deploy. Then four small statements do
  -- what the large one below does, in half the time.
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
        committed_at, unplanned, waited_seconds, started_at, finished_at, start_id, duration_seconds,
        duration_missing, recorded_at, updated_at, deploy, moment)
      values (ids[1], components[1], versions[1], owners[1], statuses[1], phases[1], environments[1], runs[1], stages[1],
        urls[1], commits[1], commit_times[1], unplanned_marks[1], waits[1],
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
          unplanned, waited_seconds, idempotency_key, content, deploy, phase = 'started' as starts,
          stops_clock(phase) as stops,
          case when phase = 'started' then coalesce(started_at, stamp) else started_at end as started_at,
          case when stops_clock(phase) then coalesce(finished_at, stamp) else finished_at end as finished_at
        from unnest(components, versions, owners, statuses, phases, environments, runs, stages, urls, commits,
          commit_times, unplanned_marks, waits, start_times, finish_times, keys, contents, deploys, first_ids)
          with ordinality as line (component, version, owner, status, phase, environment, run, stage, url, commit,
            committed_at, unplanned, waited_seconds, started_at, finished_at, idempotency_key, content, deploy, first_id, line)
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
    -- A stop takes its start from the clock record just before it. That is mostly the deploy's last: then one look-up
    -- shows what comes before and that nothing comes after.
    written as materialized (
      select w.*, last.comes_after,
        -- The start just before a stop, if this call does not write it.
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
        committed_at, unplanned, waited_seconds, started_at, finished_at, start_id, duration_seconds,
        duration_missing, recorded_at, updated_at, idempotency_key, content, deploy, moment)
      select id, component, version, owner, status, phase, environment, run, stage, url, commit,
        committed_at, unplanned, waited_seconds, coalesce(started_at, taken_start), finished_at, start_id,
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
    -- The number is drawn after the transaction has its id, from which readers see who can still log a lower one.
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

-- Changes or deletes a record that is still as the caller saw it, and pairs it and its neighbours. `new_component` is
-- null to delete it. `new_deploy` is the digest of its new deploy. A moment that is null is stamped if the phase needs one.
-- `token` is the name of the token of the request. The history keeps the record as it was. The record keeps its key
-- within its component.
--
-- Returns the record as it is now, or as it was before it was deleted; no row if it is not as the caller saw it.
create function change_record(
  seen_id bigint, seen_component text, seen_updated_at timestamptz,
  new_component text, new_version text, new_owner text, new_status text, new_phase text, new_environment text,
  new_run text, new_stage text, new_url text, new_commit text, new_committed_at timestamptz, new_unplanned boolean,
  new_waited_seconds double precision, new_started_at timestamptz, new_finished_at timestamptz, new_deploy uuid,
  token text)
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
    now_stands.waited_seconds := new_waited_seconds;
    now_stands.started_at := case when new_phase = 'started' then coalesce(new_started_at, stamp) else new_started_at end;
    now_stands.finished_at := case when stops_clock(new_phase) then coalesce(new_finished_at, stamp)
      else new_finished_at end;
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
      waited_seconds = now_stands.waited_seconds,
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
