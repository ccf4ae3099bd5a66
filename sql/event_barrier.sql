-- The id of a new transaction. Every transaction that has drawn an event's number before has a lower id.
select pg_current_xact_id()::text
