-- Sets a sequence to a million above the last number in a backup, or leaves it at its current number if that is higher.
-- Numbers drawn after the backup are therefore not drawn again.
--   $1  the sequence
--   $2  the last number in the backup, or 0
select setval($1::text::regclass, greatest($2::bigint + 1000000, pg_sequence_last_value($1::text::regclass)))
