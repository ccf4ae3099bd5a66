-- Whether every statement that now writes knows this process: whether those of the same user have ended that began
-- before it was made known, or nobody else writes.
--   $1  the replica
--   $2  the transaction that made it known
select not exists (select from replicas where id <> $1::text::uuid)
  or not exists (
    select from pg_stat_activity
    where datname = current_database() and usename = current_user and age(backend_xid) > age($2::text::xid8::xid))
