-- Notes a step.
--   $1  name
--   $2  digest of its text
insert into migrations (name, checksum) values ($1, $2)
