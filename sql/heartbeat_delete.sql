-- Says that this process has ended.
--   $1  the process
delete from heartbeats where process = $1::text::uuid
