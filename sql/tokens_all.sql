-- All tokens, those that count no more too, in the order in which they were made.
select name, scope, component, digest, expires_at, created_at, last_used_at, revoked_at
from tokens
order by created_at, name
