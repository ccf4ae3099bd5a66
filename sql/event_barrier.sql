-- The id of a transaction that begins now: lower is that of every one that has drawn an event's number till now.
select pg_current_xact_id()::text
