-- Makes a token known; answers nothing where its name was given before.
--   $1 name, $2 scope, $3 pattern of components (null: all), $4 digest, $5 when it expires (null: never)
insert into tokens (name, scope, component, digest, expires_at)
values ($1, $2, $3, $4, $5)
on conflict (name) do nothing
returning true
