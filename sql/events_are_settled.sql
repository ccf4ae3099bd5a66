-- Whether all transactions up to this id have ended, so that the result of each is visible.
--   $1  the id of a transaction
select pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8
