-- Ends the sessions whose client vanished in the middle of a write: the server has executed the statement under the locks
-- of its components, and waits for the rest of the messages, by which the write commits. They are sent together, so a
-- client that is there never lets it wait. Without its client such a session would hold the locks for hours.
select pg_terminate_backend(pid)
from pg_stat_activity activity
where datname = current_database() and usename = current_user and state = 'active' and wait_event = 'ClientRead'
  and xact_start < clock_timestamp() - interval '4 seconds'
  and exists (
    select from pg_locks locks
    where locks.pid = activity.pid and locktype = 'advisory' and granted and classid = to_regclass('records')::oid
  )
