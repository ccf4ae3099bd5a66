-- Writes a message to the log, and changes nothing else: its commit waits until synchronous standbys have confirmed all
-- earlier commits.
select pg_logical_emit_message(true, 'deploylog', '')
