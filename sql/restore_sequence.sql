-- Lets a sequence go on behind a number, or where it is, whichever is further.
--   $1  the sequence
--   $2  the last number that was given, at least 1
select setval($1::text::regclass, greatest($2::bigint, pg_sequence_last_value($1::text::regclass)))
