-- The highest event number drawn so far. The event can still be uncommitted.
select last_value from event_number
