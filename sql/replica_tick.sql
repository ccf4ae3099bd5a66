-- Keeps this process known, forgets those that have not been seen for a minute, and tells whether second looks
-- wait, and whether this process was forgotten itself. Writes nothing most of the time.
--   $1  the replica
with
  kept as (
    update replicas set seen_at = now() where id = $1::text::uuid and seen_at < now() - interval '15 seconds'
  ),
  revived as (
    insert into replicas (id)
    select $1::text::uuid where not exists (select from replicas where id = $1::text::uuid)
    on conflict (id) do nothing
    returning id
  ),
  forgotten as (
    delete from replicas where id <> $1::text::uuid and seen_at < now() - interval '1 minute'
  )
select exists (select from second_looks), exists (select from revived)
