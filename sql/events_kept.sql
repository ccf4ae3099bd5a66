-- From which number on all events are there, and the last number.
select (select min(number) from events), (select last_value from event_number)
