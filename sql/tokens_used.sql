-- Notes that the tokens named $1 were used just now.
update tokens set last_used_at = now() where name = any($1)
