-- Ends sessions whose client vanished during a write. Such a session has executed its statement, holds the locks of its
-- components, and waits for the message that commits. A client sends both together, so no session of a live client
-- waits. Without this, the locks would be held for hours. Returns a row per session.
select pg_terminate_backend(activity.pid)
from pg_stat_activity activity
where activity.datname = current_database() and activity.usename = current_user and activity.state = 'active'
  and activity.wait_event = 'ClientRead' and activity.xact_start < clock_timestamp() - interval '4 seconds'
  and exists (
    select from pg_locks locks
    where locks.pid = activity.pid and locks.locktype = 'advisory' and locks.granted
      and locks.classid = to_regclass('records')::oid
  )
