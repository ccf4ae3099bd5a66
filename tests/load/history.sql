-- Fills `records` with history: 1,000 components in three environments. Each run is a deploy with four stages, ten
-- records in total. The runs are spread evenly over the last year, and one run in a thousand never finishes. The first
-- two runs have an owner, an environment and stages of their own.
--   :records  the number of records
set synchronous_commit = off; -- in this session only
set maintenance_work_mem = '256MB';

-- Building an index afterwards takes a fraction of the time of updating it for each row.
select coalesce(string_agg(pg_get_indexdef(indexrelid), '; '), '') as indexes,
  coalesce('drop index ' || string_agg(indexrelid::regclass::text, ', '), 'select') as drop_indexes
from pg_index
where indrelid = 'records'::regclass and not indisprimary
\gset
:drop_indexes;

insert into records (id, component, version, owner, status, phase, environment, run, stage, url, started_at, finished_at,
  start_id, duration_seconds, duration_missing, recorded_at, updated_at, deploy, moment)
select id, component, version, owner, status, phase, environment, run, stage, url, started_at, finished_at, start_id,
  duration_of(phase, started_at, finished_at), duration_missing_of(phase, started_at, finished_at), at, at,
  deploy_of(component, environment, run, stage, version), at
from (
  select id, component, '1.' || number / 3000 as version,
    case when number < 2 then 'retired' else 'engineer-' || number % 50 end as owner, environment,
    component || '#' || number / 1000 as run, stage,
    'https://ci.example.org/job/' || component || '/' || number / 1000 as url, at,
    case when not stops then 'started' when number % 20 = 0 and stage is null then 'failure' else 'success' end as status,
    case when not stops then 'started' when number % 20 = 0 and stage is null then 'failed' else 'succeeded' end as phase,
    case when stops then began else at end as started_at, case when stops then at end as finished_at,
    case when stops then start_id end as start_id
  from (
    select number, first_id + place - 1 as id, first_id + partner - 1 as start_id, stops,
      case when number < 2 and stage is not null then 'Gone' else stage end as stage,
      'component-' || number % 1000 as component,
      case when number < 2 then 'closed' else (array['production', 'staging', 'test'])[number % 3 + 1] end
        as environment,
      begins + second * interval '1 second' as at, begins + partner_second * interval '1 second' as began
    from (
      select number, number * 10 + 1 as first_id,
        now() - interval '365 days' + interval '364 days' * (number::double precision / (:records / 10)) as begins
      from generate_series(0, :records / 10 - 1) number
    ) runs
      cross join (values
        (1, 0, null, false, 1, 0), (2, 1, 'Build', false, 2, 1), (3, 41, 'Build', true, 2, 1),
        (4, 42, 'Test', false, 4, 42), (5, 92, 'Test', true, 4, 42), (6, 93, 'Deploy / eu', false, 6, 93),
        (7, 123, 'Deploy / eu', true, 6, 93), (8, 124, 'Deploy / us', false, 8, 124),
        (9, 154, 'Deploy / us', true, 8, 124), (10, 155, null, true, 1, 0)
      ) kind (place, second, stage, stops, partner, partner_second)
    where not (place = 10 and number % 997 = 996)
  ) placed
) filled;

insert into open_starts (component, moment, id)
select component, moment, id from records where id % 9970 = 9961;

select setval('record_id', (select max(id) from records)) \g /dev/null
:indexes;
vacuum analyze records, open_starts;
