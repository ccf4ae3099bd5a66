-- Stores that tokens were used just now.
--   $1  their names
update tokens set last_used_at = now() where name = any($1)
