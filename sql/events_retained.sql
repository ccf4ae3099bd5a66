-- The number from which on the log of events is complete, and the highest number drawn.
select (select min(number) from events) as first, (select last_value from event_number) as last
