-- Keeps lists and reports fast in a log of ten million records. A row of the new indexes has room for three texts of
-- 200 characters, but not for four, and not for a stage of 1,000 characters.

-- Which parts of the table can contain an owner, an environment or a stage. It costs a write much less than a B-tree,
-- because a part is summarized once, when it is full.
create index records_by_value on records using brin (
    owner text_bloom_ops (n_distinct_per_range = 200, false_positive_rate = 0.002),
    environment text_bloom_ops (n_distinct_per_range = 200, false_positive_rate = 0.002),
    stage text_bloom_ops (n_distinct_per_range = 200, false_positive_rate = 0.002))
  with (pages_per_range = 64, autosummarize = on);

-- Vacuum summarizes what `autosummarize` missed, and marks pages as visible to all for the index-only scans of reports.
alter table records set (autovacuum_vacuum_insert_scale_factor = 0.02);

-- For durations. Includes what they read.
drop index deploys_by_moment;
create index deploys_by_moment on records (moment, id) include (component, environment, phase, duration_seconds)
  where stage is null and phase in ('succeeded', 'failed', 'aborted', 'finished');

drop index stages_by_place;
create index stages_by_place on records (component, moment) include (stage, environment, duration_seconds)
  where stage is not null and length(stage) <= 200 and phase = 'succeeded';
create index long_stages_by_moment on records (moment)
  where stage is not null and length(stage) > 200 and phase = 'succeeded';

-- For the DORA metrics. Includes what they read of a finish.
create index deploys_with_versions on records (component, environment, moment, id)
  include (phase, version, committed_at, unplanned, start_id)
  where stage is null and phase in ('succeeded', 'failed', 'aborted', 'finished');

-- The starts with fields that their finishes can lack.
create index starts_with_commits on records (id, component) include (committed_at, unplanned)
  where stage is null and phase = 'started' and (committed_at is not null or unplanned is not null);

-- The deploys of more than 8 hours. Without them, a deploy that has run for a day is stale wherever it runs.
create index longest_deploys on records (duration_seconds)
  where stage is null and phase = 'succeeded' and duration_seconds > 28800;

-- When the records with this owner, environment and stage were recorded, and their moments. With a stage the moments
-- are those of all records of their runs. A filter that is null matches all records. Returns nulls if there are no such
-- records, and infinite bounds if each value occurs among the newest 20,000 records: then a list need not be bounded.
create function occurrences(of_owner text, of_environment text, of_stage text,
    out first_recorded_at timestamptz, out last_recorded_at timestamptz,
    out first_moment timestamptz, out last_moment timestamptz)
  language plpgsql stable
  set plan_cache_mode = force_custom_plan set jit = off
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_indexscan = on
  set enable_bitmapscan = on
as $$
declare
  runs text[];
begin
  if not exists (
    select from (values ('owner', of_owner), ('environment', of_environment), ('stage', of_stage)) asked (field, value)
    where asked.value is not null and not exists (
      select from (
        select r.owner, r.environment, r.stage from records r order by r.recorded_at desc, r.id desc limit 20000
      ) newest
      where asked.value = case asked.field when 'owner' then newest.owner when 'environment' then newest.environment
        else newest.stage end)
  ) then
    first_recorded_at := '-infinity';
    last_recorded_at := 'infinity';
    first_moment := '-infinity';
    last_moment := 'infinity';
    return;
  end if;
  -- Leaves only the bitmap scan of `records_by_value`.
  perform set_config('enable_indexscan', 'off', true);
  select min(r.recorded_at), max(r.recorded_at), min(r.moment), max(r.moment),
    array_agg(distinct r.run) filter (where of_stage is not null and r.run is not null)
  into first_recorded_at, last_recorded_at, first_moment, last_moment, runs
  from records r
  where (of_owner is null or r.owner = of_owner) and (of_environment is null or r.environment = of_environment)
    and (of_stage is null or r.stage = of_stage);
  if cardinality(runs) > 1000 then
    first_moment := '-infinity';
    last_moment := 'infinity';
  elsif of_stage is not null then
    perform set_config('enable_indexscan', 'on', true);
    select min(r.moment), max(r.moment)
    into first_moment, last_moment
    from unnest(runs) named (run)
      cross join lateral (
        select m.moment from records m where left(m.run, 200) = left(named.run, 200) and m.run = named.run offset 0
      ) r;
  end if;
end
$$;
