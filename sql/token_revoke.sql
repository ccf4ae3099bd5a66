-- Revokes the token named $1; once that is done it stays so. Answers nothing where there is none, else whether it counted
-- till now.
update tokens t
set revoked_at = coalesce(t.revoked_at, now())
from (select name, revoked_at from tokens where name = $1 for update) before
where t.name = before.name
returning before.revoked_at is null
