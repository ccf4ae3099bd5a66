-- Prints the tables of `tests/load/run`.
--   :results          a file of rounds, names and values
--   :first            the rate on the empty table
--   :half :p50 :p99   the open loop: its rate, and its latencies in microseconds
--   :memory :peak     in MB
--   :deadlocks        in all databases
create temporary table results (round integer, name text, value numeric);
\set load '\\copy results from ' :results
:load
create temporary view medians as
  select name, percentile_disc(0.5) within group (order by value) as value from results group by name;

\echo '| work | measured | against | ratio | required | aim |'
\echo '|---|---|---|---|---|---|'
with
  rates (place, work, name, against, base, required, aim) as (
    values (1, 'POST, 64 connections, one component', 'post_64', 'pgbench INSERT, 64 clients', 'insert_64', 1.5, 2.0),
      (2, 'POST, 256 connections, 200 components', 'post_256', 'the same', 'insert_64', 1.8, 2.5),
      (3, 'POST, 256 connections, one component', 'post_256_one', 'the same', 'insert_64', 1.8, 2.5),
      (4, 'POST start + finish, 200 components, 64 connections', 'lifecycle_64', 'the same', 'insert_64', 1.4, 2.0),
      (5, 'POST, 1 connection', 'post_1', 'pgbench INSERT, 1 client', 'insert_1', 0.45, 0.6),
      (7, 'GET by id, 64 connections', 'read_64', 'pgbench SELECT by key, 64 clients', 'select_64', 1.1, 1.5),
      (8, 'NDJSON import, rows', 'import', 'psql \copy', 'copy', 0.8, 0.9),
      (9, 'start + finish through haproxy and 2 replicas', 'replicas_2', 'and 1 replica', 'replicas_1', 0.65, 0.9),
      (10, 'start + finish through haproxy and 4 replicas', 'replicas_4', 'the same', 'replicas_1', 0.5, 0.8),
      (14, 'GET by id with deploylog load', 'read_64', 'wrk', 'wrk_64', 0.5, null)
  ),
  latencies (place, work, name, required, aim) as (
    values (6, 'p99 at full rate, 64 connections, one component', 'post_64', 12, 6),
      (11, 'p99 through haproxy and 1 replica', 'replicas_1', null, null),
      (12, 'p99 through haproxy and 2 replicas', 'replicas_2', 60, null),
      (13, 'p99 through haproxy and 4 replicas', 'replicas_4', 60, null)
  ),
  lines (place, work, measured, against, ratio, required, aim) as (
    select place, work, round(m.value) || '/s', against || ': ' || round(b.value) || '/s',
      (select percentile_disc(0.5) within group (order by r.value / nullif(s.value, 0))
        from results r join results s on s.round = r.round and s.name = rates.base
        where r.name = rates.name),
      'at least ' || required, aim::text
    from rates join medians m on m.name = rates.name join medians b on b.name = rates.base
    union all
    select place, work, round(p99.value / 1000, 1) || ' ms', 'p50: ' || round(p50.value / 1000, 1) || ' ms', null,
      'at most ' || required || ' ms', aim || ' ms'
    from latencies join medians p99 on p99.name = latencies.name || '.p99' join medians p50 on p50.name = latencies.name || '.p50'
    union all
    select 15, 'POST, 64 connections, one component, on an empty table', round(:first) || '/s', 'the median: ' || round(value) || '/s',
      :first / value, '', null
    from medians where name = 'post_64'
    union all
    select 16, 'p99 at ' || :half || '/s, open loop', round(:p99 / 1000.0, 1) || ' ms', 'p50: ' || round(:p50 / 1000.0, 1) || ' ms',
      null, 'at most 10 ms', null
    union all
    select 17, 'memory, 256 connections', round(:memory) || ' MB', 'imports included: ' || round(:peak) || ' MB', null,
      'at most 40 MB', null
    union all
    select 18, 'deadlocks in all databases', :'deadlocks', '', null, '0', null
  )
select format('| %s | %s | %s | %s | %s | %s |', work, measured, against, round(ratio, 2), required, aim)
from lines
order by place;

\echo
\echo '| CPU cost: medians | machine idle | service, µs of CPU per record | PostgreSQL | everything else: sender, proxy, kernel |'
\echo '|---|---|---|---|---|'
select format('| %s | %s %% | %s | %s | %s |', work, round(greatest(idle.value, 0)), round(service.value, 1),
  round(database.value, 1), round(rest.value, 1))
from (
    values (1, 'POST, 64 connections, one component', 'post_64'), (2, 'POST, 256 connections, 200 components', 'post_256'),
      (3, 'POST, 256 connections, one component', 'post_256_one'),
      (4, 'POST start + finish, 200 components, 64 connections', 'lifecycle_64'), (5, 'POST, 1 connection', 'post_1'),
      (6, 'start + finish through haproxy and 1 replica', 'replicas_1'), (7, '… and 2 replicas', 'replicas_2'),
      (8, '… and 4 replicas', 'replicas_4'), (9, 'pgbench INSERT, 64 clients', 'insert_64')
  ) works (place, work, name)
  join medians idle on idle.name = works.name || '.idle'
  join medians service on service.name = works.name || '.service'
  join medians database on database.name = works.name || '.database'
  join medians rest on rest.name = works.name || '.rest'
order by place;
