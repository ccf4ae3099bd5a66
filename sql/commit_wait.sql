-- Writes nothing but a message to the log, so that its commit waits until synchronous standbys have what was committed
-- before.
select pg_logical_emit_message(true, 'deploylog', '')
