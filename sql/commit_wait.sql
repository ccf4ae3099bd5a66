-- Logs a message, and nothing else, so that the commit waits until synchronous standbys have confirmed all earlier commits.
select pg_logical_emit_message(true, 'deploylog', '')
