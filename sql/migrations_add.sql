-- Registers an applied migration.
--   $1  its name
--   $2  the digest of its text
insert into migrations (name, checksum) values ($1, $2)
