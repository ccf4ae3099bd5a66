-- Retention works in steps of bounded size: it no longer reads a whole run in one step.
drop function forget_unit(integer, text, text, uuid, bigint);

-- Whether retention keeps this record: it was recorded or happened after `cut`, or it is the last finish, or the last
-- success, of its component and environment.
create function must_stay(r records, cut timestamptz) returns boolean
  language sql stable
as $$
  select greatest(r.recorded_at, r.moment) >= cut
    or r.stage is null and stops_clock(r.phase) and (
      not exists (
        select from records n
        where n.component = r.component and coalesce(n.environment, '') = coalesce(r.environment, '')
          and n.stage is null and stops_clock(n.phase) and (n.moment, n.id) > (r.moment, r.id))
      or r.phase = 'succeeded' and not exists (
        select from records n
        where n.component = r.component and coalesce(n.environment, '') = coalesce(r.environment, '')
          and n.stage is null and stops_clock(n.phase) and n.phase = 'succeeded'
          and (n.moment, n.id) > (r.moment, r.id)))
$$;

-- Deletes old records of one unit, and clock records of the same deploys: at most 500 of these. `old_ids` names records
-- of a run, of one deploy without a run, or one record without a run that is no clock record. Returns how many records
-- were deleted.
--
-- - A run stays whole if one of its records was recorded after the cut. The caller has checked with `must_stay` that no
--   other reason keeps it. The records of this step are checked again, because they can have changed since.
-- - A deploy without a run is deleted from its beginning up to the first record that stays.
-- - The records of a deploy are deleted in the order of their moments. A finish that remains keeps the start that it
--   takes. If it has none, the finish just before it remains too, with its start, so that a start that arrives late
--   pairs with that finish.
create function delete_old_records(days integer, unit_component text, unit_run text, old_ids bigint[])
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
  -- The offset keeps the component out of the inner query, because its index would seem as good and has far more records.
  if unit_run is not null and exists (
    select from (
      select component
      from records
      where left(run, 200) = left(unit_run, 200) and run = unit_run and recorded_at >= cut
      offset 0
    ) young
    where component = unit_component
  ) then
    return 0;
  end if;
  with
    old as materialized (
      select r.id, r.deploy, r.moment
      from unnest(old_ids) one (id)
        cross join lateral (
          select id, deploy, moment
          from records
          where id = one.id and component = unit_component and run is not distinct from unit_run
          limit 1
        ) r
    ),
    -- One deploy after the other, each from its beginning. The last record only shows what follows.
    clock as materialized (
      select *, row_number() over () as number
      from (
        select r.*
        from (select distinct deploy from old where moment is not null) d
          cross join lateral (
            select r.id, r.deploy, r.moment, r.start_id, must_stay(r, cut) as stays,
              stops_clock(r.phase) and (r.start_id is not null or r.started_at is null) as takes_start
            from records r
            where r.component = unit_component and r.deploy = d.deploy and r.moment is not null
            order by r.moment, r.id
            limit 501
          ) r
        limit 501
      ) first
    ),
    bounded as (
      select *, number > 500
        or case when unit_run is null then bool_or(stays) over up_to_here else bool_or(stays) over () end as is_beyond
      from clock
      window up_to_here as (partition by deploy order by moment, id)
    ),
    guarded as (
      select *, not is_beyond and lead(is_beyond) over in_order and lead(takes_start) over in_order as is_guard
      from bounded
      window in_order as (partition by deploy order by moment, id)
    ),
    due as materialized (
      select id
      from (
        select *, lead(is_guard) over in_order and lead(start_id) over in_order = id as is_guards_start
        from guarded
        window in_order as (partition by deploy order by moment, id)
      ) k
      where not is_beyond and is_guard is not true and is_guards_start is not true
      union all
      select id
      from old
      where moment is null and (unit_run is null or not exists (select from clock where stays))
    ),
    removed as (
      delete from records r
      using due
      where r.id = due.id and r.component = unit_component
      returning r.id, r.component, r.moment, r.phase, r.stage, to_jsonb(r) as before
    ),
    closed as (
      delete from open_starts o
      using removed r
      where r.phase = 'started' and r.stage is null and o.moment = r.moment and o.id = r.id
        and o.component = r.component
    ),
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
