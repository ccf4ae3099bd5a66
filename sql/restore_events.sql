-- Deletes all events, and lets their numbers continue from the current time in microseconds. No database logs a million
-- events per second, so the position of a subscriber from before the restore, or from another database, is never taken
-- for a position in this log. As in migration 0006, one event without records shows where the log begins.
with
  deleted as (
    delete from events
  )
insert into events (number, event, ids)
select setval('event_number', greatest(last_value + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint)),
  'recorded', '{}'
from event_number
