-- Says that this process uses the database, and forgets those that were not seen for a minute.
--   $1  the process
with
  forgotten as (
    delete from heartbeats where process <> $1::text::uuid and seen_at < now() - interval '1 minute'
  )
insert into heartbeats (process, seen_at)
values ($1::text::uuid, now())
on conflict (process) do update set seen_at = excluded.seen_at
