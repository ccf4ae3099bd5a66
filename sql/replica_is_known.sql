-- Whether every statement that now writes knows this process: whether those have ended that began before it was
-- made known, or nobody else writes.
--   $1  the replica
--   $2  the transaction that made it known
select pg_snapshot_xmin(pg_current_snapshot()) > $2::text::xid8
  or not exists (select from replicas where id <> $1::text::uuid)
