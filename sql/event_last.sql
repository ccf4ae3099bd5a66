-- The number of the last event that anybody has logged, or is about to.
select last_value from event_number
