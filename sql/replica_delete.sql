-- Forgets a process that ends.
--   $1  the replica
delete from replicas where id = $1::text::uuid
