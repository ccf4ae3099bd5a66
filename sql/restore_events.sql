-- Begins the numbers of events anew, by the clock: so no reader's position in another database, of before or after the
-- backup, is taken for one in this, because no database logs a million events a second. As in `0006_events.sql` one
-- event that tells nothing says from where on all are there.
with
  forgotten as (
    delete from events
  )
insert into events (number, event, ids)
select setval('event_number', greatest(last_value + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint)),
  'recorded', '{}'
from event_number
