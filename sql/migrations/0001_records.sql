-- Records, as the README describes them, and what measuring them needs.

-- The largest id is the largest integer that every JSON reader keeps exactly.
create sequence record_id maxvalue 9007199254740991;

-- Which deploy a record speaks of: component, environment, run and stage, and where there is no run the version
-- too. A digest, because a btree row holds 2,704 bytes and a name of 1,000 characters may take 4,000. No name
-- holds a control character, so the separator is unambiguous.
create function deploy_of(component text, environment text, run text, stage text, version text) returns uuid
  language sql immutable parallel safe
  return md5(component || E'\x1f' || coalesce(environment, '') || E'\x1f' || coalesce(run, '') || E'\x1f'
    || coalesce(stage, '') || E'\x1f' || case when run is null then version else '' end)::uuid;

create table records (
  id bigint not null default nextval('record_id'),
  component text not null,
  version text not null,
  owner text not null,
  status text not null,
  environment text,
  run text,
  stage text,
  url text,
  commit text,
  committed_at timestamptz,
  unplanned boolean,
  -- Own, or taken from the record that `start_id` names.
  started_at timestamptz,
  finished_at timestamptz,
  phase text not null,
  duration_seconds numeric generated always as (
    case when phase in ('succeeded', 'failed', 'aborted', 'finished') and started_at <= finished_at
      then round(extract(epoch from finished_at - started_at), 3) end) stored,
  duration_missing text generated always as (
    case when phase in ('succeeded', 'failed', 'aborted', 'finished') then
      case when started_at is null then 'no start record'
        when started_at > finished_at then 'finished before it started' end end) stored,
  start_id bigint,
  recorded_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),

  deploy uuid not null generated always as (deploy_of(component, environment, run, stage, version)) stored,
  -- When the record started or stopped the clock; null where it touches no clock.
  moment timestamptz generated always as (
    case when phase = 'started' then started_at
      when phase in ('succeeded', 'failed', 'aborted', 'finished') then finished_at end) stored,
  idempotency_key text,
  -- Digest of what the first delivery under the key said.
  content bytea,

  constraint phase_is_known check (
    phase in ('started', 'succeeded', 'failed', 'aborted', 'finished', 'skipped', 'noted')),
  constraint a_clock_record_has_its_moment check (
    phase in ('skipped', 'noted') or case when phase = 'started' then started_at else finished_at end is not null),
  constraint a_start_has_no_finish check (phase <> 'started' or finished_at is null and start_id is null),
  -- With the component in it, as a table distributed by component asks of every unique constraint.
  constraint id_is_unique primary key (id, component)
) with (fillfactor = 90); -- room for a late start to complete its finish in the same page

alter sequence record_id owned by records.id;

-- A key belongs to its component.
create unique index key_is_unique_in_its_component on records (component, idempotency_key)
  where idempotency_key is not null;

-- The clock records just before and just after a moment of a deploy.
create index records_by_moment on records (deploy, moment, id) where moment is not null;

-- The list, newest first.
create index records_by_recording on records (recorded_at, id);

-- The processes that write side by side. While there is more than one, every write notes in `second_looks`
-- where it touched a clock, because statements in flight together do not see each other.
create table replicas (
  id uuid primary key,
  seen_at timestamptz not null default now()
);

create table second_looks (
  component text not null,
  deploy uuid not null,
  moment timestamptz not null,
  id bigint not null,
  noted_at timestamptz not null default now()
);

create index second_looks_in_turn on second_looks (noted_at);
