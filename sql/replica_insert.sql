-- Makes this process known to the others that write. Answers its id and the transaction that made it known.
--   $1  the id that it had until now, if it had one: what was sent under it may still be carried out, so it stays known
--       for as long as any
with former as (
  insert into replicas (id)
  select $1::text::uuid where $1 is not null
  on conflict (id) do update set seen_at = now()
)
insert into replicas (id) values (gen_random_uuid())
returning id::text, pg_current_xact_id()::text
