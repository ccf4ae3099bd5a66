-- The highest number of an event that is drawn. The event can still be uncommitted.
select last_value from event_number
