-- Makes this process known to the others that write. Answers its id and the transaction that made it known.
insert into replicas (id) values (gen_random_uuid())
returning id::text, pg_current_xact_id()::text
