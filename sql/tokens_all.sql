-- All tokens, also those that are revoked or expired, in the order of their creation.
select name, scope, component, digest, expires_at, created_at, last_used_at, revoked_at
from tokens
order by created_at, name
