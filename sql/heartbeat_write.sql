-- Writes the heartbeat of a process, and deletes those of processes that have not written theirs for a minute. Does not
-- wait for standbys: reads continue while synchronous standbys are unavailable.
--   $1  the process
with
  deleted as (
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
