-- Revokes a token for good. Returns whether it was not revoked before; no row if it does not exist.
--   $1  name
update tokens t
set revoked_at = coalesce(t.revoked_at, now())
from (select name, revoked_at from tokens where name = $1 for update) before
where t.name = before.name
returning before.revoked_at is null
