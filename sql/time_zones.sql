-- The time zones that there are. Reads a file for each: some tens of milliseconds.
select name from pg_timezone_names where name not like 'posix%' and name <> 'localtime' order by name
