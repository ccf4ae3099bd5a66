-- The names of all time zones. Takes tens of milliseconds: PostgreSQL reads a file per zone.
select name from pg_timezone_names where name not like 'posix%' and name <> 'localtime' order by name
