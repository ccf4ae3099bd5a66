-- Says that this process uses the database, and forgets those that were not seen for a minute. It waits for no
-- standby: reads are served while synchronous standbys are away.
--   $1  the process
with
  forgotten as (
    delete from heartbeats
    where process = any (array(
      select process from heartbeats
      where process <> $1::text::uuid and seen_at < now() - interval '1 minute'
      for update skip locked))
  )
insert into heartbeats (process, seen_at)
select $1::text::uuid, now()
from (select set_config('synchronous_commit', 'local', true)) setting
on conflict (process) do update set seen_at = excluded.seen_at
