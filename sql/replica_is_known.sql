-- Whether every statement that now writes knows this process: whether those of the same user have ended that began
-- before it was made known, or nobody else writes. One that has written nothing yet is known by its snapshot alone; where
-- something old holds all snapshots back, by when it began.
--   $1  the replica
--   $2  the transaction that made it known
select not exists (select from replicas where id <> $1::text::uuid)
  or not exists (
    select from pg_stat_activity
    where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
      and (age(backend_xid) > age($2::text::xid8::xid)
        or state = 'active' and age(backend_xmin) >= age($2::text::xid8::xid)
          and xact_start < (select seen_at from replicas where id = $1::text::uuid) + interval '1 second'))
