-- Prints the table of `tests/load/run`.
--   :results  a file of rounds, names and values; :first  the rate on the empty table
--   :half :p50 :p99  the open loop: its rate, and its latencies in microseconds; :memory :peak  in MB
create temporary table results (round integer, name text, value numeric);
\set load '\\copy results from ' :results
:load

\echo '| work | measured | against | ratio | asked |'
\echo '|---|---|---|---|---|'
with
  medians as (
    select name, percentile_disc(0.5) within group (order by value) as value from results group by name
  ),
  rows (place, work, name, against, base, least) as (
    values (1, 'POST, 64 connections', 'post_64', 'pgbench INSERT, 64 clients', 'insert_64', 2.0),
      (2, 'POST, 256 connections', 'post_256', 'the same', 'insert_64', 2.5),
      (3, 'POST start + finish, 64 connections', 'lifecycle_64', 'the same', 'insert_64', 1.3),
      (4, 'POST, 1 connection', 'post_1', 'pgbench INSERT, 1 client', 'insert_1', 0.45),
      (5, 'GET by id, 64 connections', 'read_64', 'pgbench SELECT by key, 64 clients', 'select_64', 0.7),
      (6, 'NDJSON import, rows', 'import', 'psql \copy', 'copy', 0.5),
      (7, 'GET by id by deploylog load', 'read_64', 'the same by wrk', 'wrk_64', 0.5)
  ),
  lines as (
    select place, work, round(m.value) || '/s' as measured, against || ': ' || round(b.value) || '/s' as beside,
      (select percentile_disc(0.5) within group (order by r.value / nullif(s.value, 0))
        from results r join results s on s.round = r.round and s.name = rows.base
        where r.name = rows.name) as ratio,
      'at least ' || least as asked
    from rows join medians m on m.name = rows.name join medians b on b.name = rows.base
    union all
    select 8, 'POST, 64 connections, on an empty table', round(:first) || '/s', 'the median: ' || round(value) || '/s',
      :first / value, ''
    from medians where name = 'post_64'
    union all
    select 9, 'p99 at ' || :half || '/s, open loop', round(:p99 / 1000.0, 1) || ' ms', 'p50: ' || round(:p50 / 1000.0, 1) || ' ms',
      :p99::numeric / :p50, 'at most 10'
    union all
    select 10, 'memory, 256 connections', round(:memory) || ' MB', 'imports included: ' || round(:peak) || ' MB', null,
      'at most 40 MB'
  )
select format('| %s | %s | %s | %s | %s |', work, measured, beside, coalesce(round(ratio, 2)::text, ''), asked)
from lines
order by place;
