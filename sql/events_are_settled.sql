-- Whether every transaction has ended, and shows what it did, whose id is not above this one.
--   $1  the transaction
select pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8
