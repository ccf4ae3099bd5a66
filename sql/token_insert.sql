-- Stores a new token. Returns no row if its name was used before.
--   $1  name
--   $2  scope
--   $3  pattern of components, or null for all
--   $4  digest
--   $5  expires_at, or null
insert into tokens (name, scope, component, digest, expires_at)
values ($1, $2, $3, $4, $5)
on conflict (name) do nothing
returning true
