-- Lets a sequence go on far behind what a backup says, or where it is, whichever is further: after the backup numbers may
-- have been given that nobody here knows of.
--   $1  the sequence
--   $2  the last number that was given by then, 0 for none
select setval($1::text::regclass, greatest($2::bigint + 1000000, pg_sequence_last_value($1::text::regclass)))
