-- Deletes the heartbeat of a process that ends.
--   $1  the process
delete from heartbeats where process = $1::text::uuid
